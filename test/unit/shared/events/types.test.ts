/** TypeBox checks our events. Here Ajv, an independent implementation of JSON Schema, checks the same payloads. */
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EVENT_TYPES, faultIn, SCHEMAS } from '#shared/events/index.ts';
import { damaged, fitting } from './arbitrary.ts';

describe.each(EVENT_TYPES)('the schema of %s', (type) => {
  const schema = JSON.parse(JSON.stringify(SCHEMAS[type]));
  const validate = new Ajv({ strict: true, strictRequired: true }).compile(schema);
  const payload = fitting(schema);

  test('accepts payloads that fit it', () => {
    fc.assert(
      fc.property(payload, (data) => {
        expect(faultIn(type, data)).toBeUndefined();
        expect(validate(data)).toBe(true);
      }),
    );
  });

  test('accepts and refuses the same payloads as Ajv, and names the place of a fault', () => {
    let refused = 0;
    fc.assert(
      fc.property(damaged(payload), (data) => {
        const fault = faultIn(type, data);
        expect(fault === undefined).toBe(validate(data));
        if (fault !== undefined) {
          refused++;
          // A key may be any text, also with blanks.
          expect(fault).toMatch(/^.+: .+/s);
        }
      }),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(50);
  });
});
