import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { maxMinShares } from '#shared/model/sharing.ts';

test('flows share a link equally, and a flow with another bottleneck leaves the rest to the others', () => {
  // The first link carries three flows. The third flow gets only 1 on the second link.
  expect(maxMinShares([10, 1], [[0], [0], [0, 1]])).toEqual([4.5, 4.5, 1]);
});

test('a flow over no link has no limit; a link that is down carries nothing', () => {
  expect(maxMinShares([0], [[], [0]])).toEqual([Number.POSITIVE_INFINITY, 0]);
  expect(maxMinShares([5], [])).toEqual([]);
});

/** Links with rates over four orders of magnitude, and flows over one to four of them. */
const networks = fc.array(fc.double({ min: 1, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 8 }).chain((rates) =>
  fc.record({
    rates: fc.constant(rates),
    flows: fc.array(fc.uniqueArray(fc.nat(rates.length - 1), { minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 20,
    }),
  }),
);

/** Differences below 1 part in 10^9 count as equal. */
const NEARLY = 1 + 1e-9;

function loads(rates: readonly number[], flows: readonly (readonly number[])[], shares: readonly number[]): number[] {
  return rates.map((_, link) => flows.reduce((sum, links, i) => sum + (links.includes(link) ? shares[i]! : 0), 0));
}

describe('max-min fairness', () => {
  test('no link carries more than its rate', () => {
    fc.assert(
      fc.property(networks, ({ rates, flows }) => {
        const load = loads(rates, flows, maxMinShares(rates, flows));
        load.forEach((bps, link) => {
          expect(bps).toBeLessThanOrEqual(rates[link]! * NEARLY);
        });
      }),
    );
  });

  test('every flow has a bottleneck: a full link on which no flow gets more', () => {
    fc.assert(
      fc.property(networks, ({ rates, flows }) => {
        const shares = maxMinShares(rates, flows);
        const load = loads(rates, flows, shares);
        flows.forEach((links, flow) => {
          const bottleneck = links.some(
            (link) =>
              load[link]! * NEARLY >= rates[link]! &&
              flows.every((others, other) => !others.includes(link) || shares[other]! <= shares[flow]! * NEARLY),
          );
          expect(bottleneck).toBe(true);
        });
      }),
    );
  });

  test('the order of the flows changes nothing', () => {
    const shuffled = networks.chain(({ rates, flows }) =>
      fc.record({
        rates: fc.constant(rates),
        flows: fc.constant(flows),
        order: fc.shuffledSubarray(
          flows.map((_, i) => i),
          { minLength: flows.length },
        ),
      }),
    );
    fc.assert(
      fc.property(shuffled, ({ rates, flows, order }) => {
        const shares = maxMinShares(rates, flows);
        const again = maxMinShares(
          rates,
          order.map((flow) => flows[flow]!),
        );
        order.forEach((flow, i) => {
          expect(again[i]! / shares[flow]!).toBeCloseTo(1, 9);
        });
      }),
    );
  });
});
