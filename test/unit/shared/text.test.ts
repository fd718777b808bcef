import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FOREIGN_TEXT_MOST, foreignText } from '#shared/text.ts';
import { SEED } from '../../property/seed.ts';

test.each([
  ['control sequences of a terminal', 'x\u001b]0;pwned\u0007\u001b[31mRED', 'x ]0;pwned [31mRED'],
  ['line ends of all kinds', 'a\r\nb\u2028c\u0085d', 'a b c d'],
  ['marks that change the direction of writing', 'abc\u202Efed', 'abc fed'],
  ['halves of characters', 'a\ud800b', 'a b'],
])('%s are removed', (_, text, clean) => {
  expect(foreignText(text)).toBe(clean);
});

test('ordinary words in any script do not change', () => {
  for (const text of ['QEMU says: failed', 'Größe über 5 €', '日本語', '🚂 fährt'])
    expect(foreignText(text)).toBe(text);
});

test('any value becomes one clean line of bounded length', () => {
  const codes = fc.array(fc.oneof(fc.nat(0xff), fc.nat(0xffff)), { maxLength: 1500 });
  fc.assert(
    fc.property(
      fc.oneof(
        codes.map((each) => String.fromCharCode(...each)),
        fc.anything({ maxDepth: 1 }),
      ),
      (text) => {
        const clean = foreignText(text);
        expect(clean.length).toBeLessThanOrEqual(FOREIGN_TEXT_MOST);
        expect(clean).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
        expect(foreignText(clean)).toBe(clean);
      },
    ),
    { seed: SEED, numRuns: 40 },
  );
  expect(foreignText('A'.repeat(2_000_000))).toHaveLength(FOREIGN_TEXT_MOST);
});
