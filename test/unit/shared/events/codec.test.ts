import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TagalongError } from '#shared/errors.ts';
import { check, decode, EVENT_TYPES, encode, envelop, type Fact, keyOf, SCHEMAS } from '#shared/events/index.ts';
import { fitting } from './arbitrary.ts';

const data = { vm: 'vm-7', user: 'alice', atMs: 1_772_449_200_000, lat: 42.35, lon: -71.06 };
const event = envelop({ type: 'location.reported.v1', data }, 'loc:vm-7:alice:1', '/tagalong/ingest');

/** Decodes the event with these changes. @returns the message of the error, or `accepted` */
function faultOf(changes: Record<string, unknown>): string {
  try {
    decode(JSON.stringify({ ...event, ...changes }));
  } catch (error) {
    if (error instanceof TagalongError && error.code === 'EVENT_INVALID') return error.message;
    throw error;
  }
  return 'accepted';
}

describe('an envelope', () => {
  test('is a CloudEvent 1.0 with the VM as its partition key', () => {
    expect(event).toEqual({
      specversion: '1.0',
      id: 'loc:vm-7:alice:1',
      source: '/tagalong/ingest',
      type: 'location.reported.v1',
      subject: 'vm-7',
      time: '2026-03-02T11:00:00.000Z',
      datacontenttype: 'application/json',
      partitionkey: 'vm-7',
      data,
    });
  });

  test('of a site has the site as its key', () => {
    const site = { site: 'bos', atMs: 0, lat: 0, lon: 0, slots: 1, vms: ['vm-7'], draining: false, uplinks: [] };
    expect(keyOf({ type: 'site.reported.v1', data: site })).toBe('bos');
    expect(envelop({ type: 'site.reported.v1', data: site }, 'x', '/x').partitionkey).toBe('bos');
  });

  test.each(EVENT_TYPES)('of %s is the same after encoding and decoding', (type) => {
    const schema = JSON.parse(JSON.stringify(SCHEMAS[type]));
    fc.assert(
      fc.property(fitting(schema), fc.string({ minLength: 1 }), (payload, id) => {
        const sent = envelop({ type, data: payload } as Fact, id, '/tagalong/test');
        expect(decode(encode(sent))).toEqual(JSON.parse(JSON.stringify(sent)));
      }),
      { numRuns: 30 },
    );
  });
});

describe('decode refuses', () => {
  test('text that is not JSON', () => {
    expect(() => decode('{"specversion": ')).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }));
    expect(() => decode('')).toThrow(/not JSON/);
  });

  test.each(['null', '7', '"event"', '[]', '{}'])('JSON that is no event: %s', (text) => {
    expect(() => decode(text)).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }));
  });

  test('an unknown key', () => {
    expect(faultOf({ data: { ...data, altitude: 12 } })).toContain('data.altitude: unknown key');
  });

  test('an unknown key in a list', () => {
    const rtts = [{ site: 'bos', rttMs: 1, hops: 3 }];
    expect(faultOf({ data: { ...data, rtts } })).toContain('data.rtts.0.hops: unknown key');
  });

  test('a missing field', () => {
    const { lat: _, ...without } = data;
    expect(faultOf({ data: without })).toContain('data.lat: is missing');
  });

  test('a value out of range', () => {
    expect(faultOf({ data: { ...data, lat: 90.5 } })).toContain('data.lat:');
    expect(faultOf({ data: { ...data, atMs: 0.5 } })).toContain('data.atMs:');
    expect(faultOf({ data: { ...data, vm: 'no spaces' } })).toContain('data.vm:');
  });

  test('a partition key other than the VM: a sender for one VM could address another with it', () => {
    expect(faultOf({ partitionkey: 'vm-8' })).toContain('partitionkey:');
  });

  test('an id, a source or a key of a megabyte', () => {
    for (const attribute of ['id', 'source', 'partitionkey']) {
      expect(faultOf({ [attribute]: 'x'.repeat(1e6) })).toContain(`${attribute}:`);
    }
  });

  test('a time after the year 9999, which RFC 3339 cannot express', () => {
    const lastMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
    expect(faultOf({ data: { ...data, atMs: lastMs } })).toBe('accepted');
    expect(faultOf({ data: { ...data, atMs: lastMs + 1 } })).toContain('data.atMs:');
  });

  test('a payload that is missing, or not an object', () => {
    expect(faultOf({ data: undefined })).toContain('data.');
    expect(faultOf({ data: 'text' })).toContain('data.');
  });

  test('an unknown type; the error lists the known ones', () => {
    expect(faultOf({ type: 'location.reported.v2' })).toMatch(/type: "location.reported.v2".*location\.reported\.v1/);
    // A property that each object inherits is no type.
    expect(faultOf({ type: 'constructor' })).toContain('type: "constructor"');
  });

  test.each(['id', 'source', 'partitionkey'])('an envelope with a missing, empty or wrong %s', (field) => {
    for (const value of [undefined, '', 7, null]) expect(faultOf({ [field]: value })).toContain(`${field}: must be`);
  });

  test('another version of CloudEvents', () => {
    expect(faultOf({ specversion: '0.3' })).toContain('specversion');
  });

  test('check applies the same rules to an event that was not encoded', () => {
    expect(check(event)).toBe(event);
    expect(() => check(undefined)).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }));
    expect(() => check({ ...event, data: {} })).toThrow(expect.objectContaining({ code: 'EVENT_INVALID' }));
  });
});
