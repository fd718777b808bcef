import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { partitionKeyOf, partitionOf } from '#shared/events/index.ts';

/** Modulo 2^32 does not change the hash. */
const hashOf = (key: string) => partitionOf(key, 2 ** 32);

describe('the partition of a key', () => {
  test.each([
    // From the test vectors of the FNV reference code (Fowler, Noll, Vo).
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['b', 0xe70c2de5],
    ['foo', 0xa9f37ed7],
    ['foob', 0x3f5076ef],
    ['fooba', 0x39aaa18a],
    ['foobar', 0xbf9cf968],
  ])('of %j is its FNV-1a hash, modulo their number', (key, hash) => {
    expect(hashOf(key)).toBe(hash);
    for (const partitions of [1, 4, 16, 100]) expect(partitionOf(key, partitions)).toBe(hash % partitions);
  });

  test('text beyond ASCII is hashed by its UTF-8 bytes', () => {
    const byBytes = (key: string) =>
      [...new TextEncoder().encode(key)].reduce(
        (hash, byte) => BigInt.asUintN(32, (hash ^ BigInt(byte)) * 0x01000193n),
        0x811c9dc5n,
      );
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (key) => {
        fc.pre(!key.includes('::'));
        expect(BigInt(hashOf(key))).toBe(byBytes(key));
      }),
    );
  });

  test('is that of the part before the first "::"', () => {
    const prefixes = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._@+-]*$/);
    const rests = fc.stringMatching(/^[A-Za-z0-9._:@+-]*$/);
    fc.assert(
      fc.property(prefixes, rests, (prefix, rest) => {
        expect(hashOf(`${prefix}::${rest}`)).toBe(hashOf(prefix));
        expect(partitionKeyOf(`${prefix}::${rest}`)).toBe(prefix);
      }),
    );
    // A single colon separates nothing.
    expect(hashOf('shop:web')).not.toBe(hashOf('shop:db'));
  });

  test('keys of one kind are spread over the partitions', () => {
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 1_600; i++) counts[partitionOf(`vm-${i}`, 16)]!++;
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(Math.max(...counts)).toBeLessThan(150);
  });
});
