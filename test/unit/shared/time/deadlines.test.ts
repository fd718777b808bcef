import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deadlines } from '#shared/time/deadlines.ts';
import { SEED } from '../../../property/seed.ts';

/** Times to push, of which many are equal, and `take` for a pop. */
const orders = fc.array(
  fc.oneof(
    fc.constant('take' as const),
    fc.nat({ max: 9 }).map((n) => n / 3),
  ),
  {
    maxLength: 200,
  },
);

test('pops the earliest deadline first, and equal ones in their order', () => {
  let taken = 0;
  fc.assert(
    fc.property(orders, (given) => {
      const deadlines = new Deadlines<number>();
      /** The same deadlines, sorted after each push. */
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

test('has no deadline when it is empty', () => {
  const deadlines = new Deadlines<string>();
  expect([deadlines.nextMs, deadlines.next, deadlines.pop()]).toEqual([undefined, undefined, undefined]);
});
