import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deadlines } from '#shared/time/deadlines.ts';
import { SEED } from '../../../property/seed.ts';

/** Few different times, so that many are equal; `take` takes one out. */
const orders = fc.array(
  fc.oneof(
    fc.constant('take' as const),
    fc.nat({ max: 9 }).map((n) => n / 3),
  ),
  {
    maxLength: 200,
  },
);

test('the earliest comes up first, and of equal ones the one that was given first', () => {
  let taken = 0;
  fc.assert(
    fc.property(orders, (given) => {
      const deadlines = new Deadlines<number>();
      /** The same, put in order anew each time. */
      let plain: { readonly atMs: number; readonly item: number }[] = [];
      for (const [item, order] of given.entries()) {
        if (order === 'take') {
          expect(deadlines.pop()).toBe(plain.shift()?.item);
          taken++;
        } else {
          deadlines.push(order, item);
          plain = [...plain, { atMs: order, item }].sort((a, b) => a.atMs - b.atMs || a.item - b.item);
        }
        expect(deadlines.nextMs).toBe(plain[0]?.atMs);
        expect(deadlines.next).toBe(plain[0]?.item);
      }
    }),
    { seed: SEED, numRuns: 500 },
  );
  expect(taken).toBeGreaterThan(1000);
});

test('where there is none, none comes up', () => {
  const deadlines = new Deadlines<string>();
  expect([deadlines.nextMs, deadlines.next, deadlines.pop()]).toEqual([undefined, undefined, undefined]);
});
