import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecentMap, RecentSet } from '#shared/recent.ts';

const COUNT = 5;
const KEYS = fc.array(fc.integer({ min: 0, max: 30 }).map(String), { minLength: 1, maxLength: 200 });
/** The last `n` distinct keys of a sequence, the newest first. */
const lastOf = (keys: readonly string[], n: number) => [...new Set(keys.toReversed())].slice(0, n);

describe('recent keys', () => {
  test('the last keys are known, and at most twice as many are remembered', () => {
    fc.assert(
      fc.property(KEYS, (keys) => {
        const set = new RecentSet(COUNT);
        const added: string[] = [];
        for (const key of keys) {
          const isNew = set.add(key);
          if (isNew) added.push(key);
          else expect(added).toContain(key);
          // All of the last added keys are known.
          for (const last of added.slice(-COUNT)) expect(set.has(last)).toBe(true);
          expect(set.has(key)).toBe(true);
          const remembered = [...new Set(keys)].filter((one) => set.has(one));
          expect(remembered.length).toBeLessThanOrEqual(2 * COUNT);
        }
      }),
    );
  });

  test('a dropped key is new again', () => {
    const set = new RecentSet(1);
    expect(['a', 'a', 'b', 'c', 'a'].map((key) => set.add(key))).toEqual([true, false, true, true, true]);
  });
});

describe('recent values', () => {
  test('the last keys have their last values, and at most twice as many are remembered', () => {
    fc.assert(
      fc.property(KEYS, (keys) => {
        const map = new RecentMap<number>(COUNT);
        for (const [i, key] of keys.entries()) {
          map.set(key, i);
          const past = keys.slice(0, i + 1);
          for (const last of lastOf(past, COUNT)) expect(map.get(last)).toBe(past.lastIndexOf(last));
          const remembered = [...new Set(keys)].filter((one) => map.get(one) !== undefined);
          expect(remembered.length).toBeLessThanOrEqual(2 * COUNT);
        }
      }),
    );
  });

  test('a deleted key has no value, although it was set twice', () => {
    const map = new RecentMap<string>(1);
    map.set('a', 'old');
    map.set('b', 'x');
    map.set('a', 'new');
    map.delete('a');
    expect([map.get('a'), map.get('b')]).toEqual([undefined, 'x']);
  });
});
