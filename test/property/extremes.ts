/** Draws values that fit a JSON Schema of ours. Half of them are extreme values. */
import fc from 'fast-check';
import type { Schema } from '../unit/shared/events/arbitrary.ts';

/** Texts that break programs: names of Object.prototype, control characters, text from right to left, halves of characters. */
export const ODD_TEXTS = [
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'null', '0', ' ', '..', 'a/b', '%00', "';--"],
  ...['\u0000', '\u001b[31m', 'a\nb', '\u202eabc', '\ud800', '😀', 'é́́', '\ufeff', 'ß'.repeat(40)],
];

/** @param most the most elements of a list, also if its schema allows more */
export function extremes(schema: Schema, most = 4): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => extremes(one, most)));
  switch (schema.type) {
    case 'string':
      return text(schema);
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number':
      return number(schema);
    case 'array': {
      const [least, largest] = [schema.minItems ?? 0, Math.min(schema.maxItems ?? most, most)];
      const list = (minLength: number, maxLength: number) =>
        fc.array(extremes(schema.items ?? {}, most), { minLength, maxLength });
      return fc.oneof(list(least, least), list(largest, largest), list(least, largest));
    }
    case 'object':
      return object(schema, most);
    default:
      return fc.oneof(fc.jsonValue(), fc.constantFrom(...ODD_TEXTS));
  }
}

function text({ pattern, minLength = 0, maxLength = 64 }: Schema): fc.Arbitrary<string> {
  const fits = (one: string) =>
    one.length >= minLength && one.length <= maxLength && (pattern === undefined || new RegExp(pattern).test(one));
  const odd = ['', 'a', 'a'.repeat(maxLength), '9', ...ODD_TEXTS].filter(fits);
  const any = pattern ? fc.stringMatching(new RegExp(pattern)).filter(fits) : fc.string({ minLength, maxLength });
  return odd.length === 0 ? any : fc.oneof(fc.constantFrom(...odd), any);
}

function number({ type, minimum, maximum, exclusiveMinimum }: Schema): fc.Arbitrary<number> {
  const whole = type === 'integer';
  const [min, max] = [exclusiveMinimum ?? minimum ?? -Number.MAX_VALUE, maximum ?? Number.MAX_VALUE];
  const fits = (one: number) =>
    one >= min && one <= max && one !== exclusiveMinimum && (!whole || Number.isInteger(one));
  const odd = [min, max, 0, -0, 1, -1, 5e-324, 1e-6, 2 ** 31, 2 ** 53, 1e308, -1e308].filter(fits);
  const any = whole
    ? fc.integer({ min: Math.max(min, -(2 ** 53) + 1), max: Math.min(max, 2 ** 53 - 1) })
    : fc.double({ min, max, minExcluded: exclusiveMinimum !== undefined, noNaN: true });
  return fc.oneof(fc.constantFrom(...odd), any);
}

function object(schema: Schema, most: number): fc.Arbitrary<unknown> {
  const values = Object.values(schema.patternProperties ?? {})[0];
  if (values) return fc.dictionary(fc.stringMatching(/^[a-z~/]{1,8}$/), extremes(values, most), { maxKeys: most });
  const members = Object.entries(schema.properties ?? {}).map(([key, one]) => [key, extremes(one, most)] as const);
  const model: Record<string, fc.Arbitrary<unknown>> = Object.fromEntries(members);
  return fc.record(model, { requiredKeys: [...(schema.required ?? [])], noNullPrototype: true });
}
