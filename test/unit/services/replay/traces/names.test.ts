import fc from 'fast-check';
import { expect, it } from 'vitest';
import { fitName, userNames } from '#services/replay/traces/names.ts';
import { faultIn } from '#shared/events/index.ts';

it('keeps a valid name', () => {
  for (const name of ['abboip', 'a.b_c:d@e+f-g', '7', 'x'.repeat(128)]) expect(fitName(name)).toBe(name);
});

it('replaces invalid characters', () => {
  expect(fitName('Zoë Miller')).toBe('Zo--Miller');
  expect(fitName('_7')).toBe('x_7');
  expect(fitName('x'.repeat(200))).toHaveLength(128);
});

it('makes any name valid, equal names equal and different names different', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', minLength: 100, maxLength: 200 }));
  const schemaTakes = (user: string) =>
    faultIn('location.reported.v1', { vm: 'v', user, atMs: 0, lat: 0, lon: 0 }) === undefined;
  fc.assert(
    fc.property(fc.uniqueArray(text, { minLength: 1, maxLength: 30 }), (texts) => {
      const nameOf = userNames();
      const names = texts.map(nameOf);
      expect(names.filter((name) => !schemaTakes(name))).toEqual([]);
      expect(new Set(names).size).toBe(texts.length);
      expect(texts.map(nameOf)).toEqual(names);
    }),
    { seed: 20_260_302 },
  );
});
