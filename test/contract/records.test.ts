/**
 * All stored records of older versions can be read. The golden files in `records/`, one for each kind and version, never change.
 * The programs of commit e839cea wrote version 0, on a NATS server and on QEMU hosts.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { AGENT_KINDS, STORE_KINDS } from '#services/process/records.ts';
import { VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import type { AnyKind } from '#shared/store/records.ts';

const FOLDER = new URL('records/', import.meta.url).pathname;
const KINDS = [...STORE_KINDS, ...AGENT_KINDS];
/** Kinds of record with an outbox beside the value. */
const WITH_OUTBOX = ['vm', 'migration'];

interface Golden {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
const golden = (name: string) => JSON.parse(readFileSync(`${FOLDER}${name}.json`, 'utf8')) as Golden[];
const read = ({ kind, upgrade, read: readBeside }: AnyKind, { value }: Golden) =>
  WITH_OUTBOX.includes(kind) ? upgrade(value.v ?? 0, value.value) : readBeside(value);
const plain = ({ kind }: AnyKind, { value }: Golden) => {
  const { v: _, ...rest } = value;
  return WITH_OUTBOX.includes(kind) ? value.value : rest;
};
const versions = (kind: AnyKind) => Array.from({ length: kind.version + 1 }, (_, v) => v);

describe.each(KINDS.map((kind) => [kind.kind, kind] as const))('records of kind %s', (name, kind) => {
  test.each(versions(kind))('of version %i are read without any loss', (version) => {
    const records = golden(`${name}.v${version}`);
    expect(records.length).toBeGreaterThan(0);
    for (const record of records) {
      expect(record.value.v ?? 0).toBe(version);
      expect(read(kind, record)).toMatchObject(plain(kind, record) as object);
    }
  });

  test('of the present version are stored unchanged', () => {
    for (const record of golden(`${name}.v${kind.version}`)) expect(read(kind, record)).toEqual(plain(kind, record));
  });

  test('have a schema that changes with the version only', () => {
    const known = JSON.parse(readFileSync(`${FOLDER}fingerprints.json`, 'utf8')) as Record<string, string>;
    const present = createHash('sha256').update(JSON.stringify(kind.schema)).digest('hex').slice(0, 16);
    // If this fails, give the kind a new version, an upgrader and a golden file, and add the fingerprint of the new version.
    expect({ [`${name}.v${kind.version}`]: present }).toEqual({
      [`${name}.v${kind.version}`]: known[`${name}.v${kind.version}`],
    });
  });

  test.each([
    ['a later version', { v: 1_000 }],
    ['an invalid version', { v: 'one' }],
    ['no object', undefined],
    ['a list', []],
    ['none of the expected members', { v: 0, value: {}, outbox: [] }],
  ])('with %s are refused', (_, stored) => {
    expect(() => kind.read(stored)).toThrow(expect.objectContaining({ code: 'STORE_RECORD_UNREADABLE' }));
  });
});

test('there is a golden file for each kind and version, and no other', () => {
  const named = readdirSync(FOLDER).filter((name) => name !== 'fingerprints.json');
  const expected = KINDS.flatMap((kind) => versions(kind).map((v) => `${kind.kind}.v${v}.json`));
  expect(named.sort()).toEqual(expected.sort());
  expect(existsSync(`${FOLDER}fingerprints.json`)).toBe(true);
});

describe('the record of a VM of an older program', () => {
  const [whole] = golden('vm.v0').filter(({ key }) => key.endsWith('/still'));
  const without = (drop: (vm: Record<string, unknown>) => void) => {
    const vm = structuredClone(whole!.value.value) as Record<string, unknown>;
    drop(vm);
    return VM_RECORD.upgrade(0, vm);
  };

  test('gets unknown stays of its users', () => {
    const { sessions } = without((vm) => {
      for (const { pace } of vm.sessions as { pace: { restingSinceMs?: number } }[]) delete pace.restingSinceMs;
    });
    expect(sessions.map(({ pace }) => pace.restingSinceMs)).toEqual(sessions.map(() => -1));
    expect(sessions.length).toBeGreaterThan(0);
  });

  test.each(['pace', 'lookScale', 'anchorLat', 'certainKm', 'active'])('gets %s of its users', (member) => {
    const vm = without(({ sessions }) => {
      for (const session of sessions as Record<string, unknown>[]) delete session[member];
    });
    expect(vm.sessions.map((session) => session[member as 'pace'])).not.toContain(undefined);
  });

  test.each(['stays', 'memory', 'left', 'movesAtMs', 'detachedAtMs', 'retired'])('gets %s', (member) => {
    expect(without((vm) => void delete vm[member])).toHaveProperty(member);
  });

  test('loses impossible round trips, and all but the newest', () => {
    const { sessions } = without((vm) => {
      const [first] = vm.sessions as { rtts?: Record<string, object> }[];
      first!.rtts = { boston: { rttMs: 1e308, atMs: 1 }, hartford: { rttMs: 7, atMs: 1 } };
      for (let i = 0; i < 500; i++) first!.rtts[`made-up-${i}`] = { rttMs: 1, atMs: 0 };
    });
    const rtts = sessions[0]!.rtts!;
    expect(rtts).toHaveProperty('hartford');
    expect(rtts).not.toHaveProperty('boston');
    expect(Object.keys(rtts).length).toBe(64);
  });
});
