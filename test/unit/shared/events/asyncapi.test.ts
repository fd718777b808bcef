import { readFileSync } from 'node:fs';
import specs from '@asyncapi/specs';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asyncApi } from '#shared/events/asyncapi.ts';
import { EVENT_TYPES, type EventType, envelop, type Fact, SCHEMAS } from '#shared/events/index.ts';
import { fitting } from './arbitrary.ts';

const document = JSON.parse(JSON.stringify(asyncApi()));

/** Ajv for the AsyncAPI schemas, which have keywords and formats that strict mode refuses. */
function ajv(): Ajv {
  const instance = new Ajv({ strict: false, allErrors: true });
  addFormats.default(instance);
  return instance;
}

describe('the AsyncAPI document', () => {
  test('in the repository is up to date; else run `npm run generate`', () => {
    const text = readFileSync(new URL('../../../../shared/events/asyncapi.json', import.meta.url), 'utf8');
    expect(text).toBe(`${JSON.stringify(asyncApi(), null, 2)}\n`);
  });

  test('is valid for the official JSON Schema of AsyncAPI 3.0.0', () => {
    // The edition with ids contains a copy of the meta-schema, which Ajv already has.
    const validate = ajv().compile(specs.schemasWithoutId['3.0.0']);
    validate(document);
    expect(validate.errors).toBeNull();
    const id = Object.keys(document.operations)[0]!;
    const { action: _, ...withoutAction } = document.operations[id];
    expect(validate({ ...document, operations: { [id]: withoutAction } })).toBe(false);
    expect(validate({ ...document, channels: { broken: { address: 7 } } })).toBe(false);
  });

  test('has a channel, a message and a schema for each event type, and no dangling reference', () => {
    for (const section of [document.channels, document.components.messages]) {
      expect(Object.keys(section)).toEqual(EVENT_TYPES);
    }
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path]) => path!);
    expect(references.length).toBeGreaterThan(EVENT_TYPES.length * 4);
    for (const path of references) {
      const target = path.split('/').reduce((node, key) => node?.[key], document);
      expect(target, path).toBeDefined();
    }
  });

  test('has a sender and a receiver for each type', () => {
    const actions = (type: EventType) =>
      Object.values<{ action: string; channel: { $ref: string } }>(document.operations)
        .filter(({ channel }) => channel.$ref === `#/channels/${type}`)
        .map(({ action }) => action);
    for (const type of EVENT_TYPES) expect(new Set(actions(type))).toEqual(new Set(['send', 'receive']));
  });
});

describe.each(EVENT_TYPES)('the message of %s', (type) => {
  const payload = `tagalong#/components/messages/${type}/payload`;
  const validate: ValidateFunction = ajv().addSchema(document, 'tagalong').compile({ $ref: payload });

  test('accepts the events that we publish, and no others', () => {
    const schema = JSON.parse(JSON.stringify(SCHEMAS[type]));
    fc.assert(
      fc.property(fitting(schema), (payload) => {
        const data = { ...(payload as object), atMs: 1_772_449_200_000 };
        const event = envelop({ type, data } as Fact, 'id', '/tagalong/test');
        validate(event);
        expect(validate.errors).toBeNull();
        expect(validate({ ...event, type: 'something.else.v1' })).toBe(false);
        expect(validate({ ...event, data: { surplus: true } })).toBe(false);
      }),
      { numRuns: 20 },
    );
  });
});
