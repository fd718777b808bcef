import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fix } from '#services/replay/traces/fix.ts';
import { foresee } from '#simulations/offline/foresight.ts';
import { Legs } from '#simulations/offline/legs.ts';
import { plannerInputFor } from '#simulations/offline/planner-input.ts';
import { stayAt, trueStays } from '#simulations/offline/stays.ts';
import { runPolicy } from '#simulations/run-policy.ts';
import { SEED } from '../../../property/seed.ts';
import { anyTrace, inputOf, movesOf, START_MS } from '../made.ts';

const EVERY_MS = 10_000;
const uplinks = [{ provider: 'a', rateBps: 1e9 }];
const sites = [40, 41, 42].map((lat) => ({ site: `s${lat}`, lat, lon: 5, slots: 100, uplinks }));
type Trace = { readonly sites: typeof sites; readonly fixes: readonly Fix[] };

/** Stays of one user: at which site (0, 1, 2), for so many minutes. */
function traceOf(stays: readonly (readonly [site: number, minutes: number])[]): Trace {
  const places = stays.flatMap(([site, minutes]) => Array.from({ length: (minutes * 60_000) / EVERY_MS }, () => site));
  return {
    sites,
    fixes: places.map((site, i) => ({ user: 'u', atMs: START_MS + i * EVERY_MS, lat: 40 + site, lon: 5 })),
  };
}
const orders = async (trace: Trace, policy: string) =>
  (await movesOf(trace, policy)).filter(({ to }) => to.startsWith('move'));
const costOf = async (trace: Trace, policy: string) => (await runPolicy(inputOf(trace, policy))).cost.totalUserMs;

describe('the default policy with perfect knowledge', () => {
  test('of the stay: orders a move at once if the stay is long enough, and none if it is short', async () => {
    const trace = traceOf([
      [0, 5],
      [1, 1],
      [0, 5],
      [2, 60],
    ]);
    const [order, ...others] = await orders(trace, 'tagalong-knows-stay');
    expect(others).toEqual([]);
    expect(order).toMatchObject({ to: 'move s42', atMs: START_MS + 11 * 60_000 });
    const blind = await orders(trace, 'tagalong');
    expect(blind.some(({ atMs }) => atMs === START_MS + 11 * 60_000)).toBe(false);
  });

  test('of the next site: does not follow its user for a minute and a half if it would have to come back', async () => {
    const followed = async (stays: [number, number][]) =>
      (await orders(traceOf(stays), 'tagalong-knows-site')).filter(({ to }) => to === 'move s41').length;
    const rounds = [...Array(15).keys()];
    const back = rounds.flatMap((): [number, number][] => [
      [0, 30],
      [1, 1.5],
    ]);
    const onwards = rounds.flatMap((round): [number, number][] => [
      [2 * (round % 2), 30],
      [1, 1.5],
    ]);
    // Some moves at first, before the policy has learned how long such stays last.
    const [returning, passing] = [await followed(back), await followed(onwards)];
    expect(passing).toBeGreaterThan(10);
    expect(2 * returning).toBeLessThan(passing);
  });

  test('of both: once it has learned that users stay, the VM is at the next site when its user comes there', async () => {
    const trace = traceOf(Array.from({ length: 20 }, (_, i) => [[0, 1, 2, 1][i % 4]!, 40]));
    const sinceArrivalMs = (await orders(trace, 'tagalong-knows-both')).map(
      ({ atMs }) => (atMs - START_MS) % (40 * 60_000),
    );
    const early = sinceArrivalMs.filter((ms) => ms > 39 * 60_000);
    expect(sinceArrivalMs.length).toBe(19);
    expect(early.length).toBeGreaterThan(10);
    const [both, stay, least] = [
      await costOf(trace, 'tagalong-knows-both'),
      await costOf(trace, 'tagalong-knows-stay'),
      await costOf(trace, 'optimum'),
    ];
    expect(both).toBeLessThan(stay);
    expect(both / least).toBeLessThan(1.2);
  });

  test('keeps to the hourly budget', async () => {
    const trace = traceOf(Array.from({ length: 40 }, (_, i) => [i % 3, 3]));
    const atMs = (await orders(trace, 'tagalong-knows-both')).map((order) => order.atMs);
    expect(atMs.length).toBeGreaterThan(12);
    atMs.forEach((ms, i) => {
      if (i >= 12) expect(ms - atMs[i - 12]!).toBeGreaterThanOrEqual(3_600_000);
    });
  });
});

test('true stays: one site serves best from the first position of a stay to its end, and another one or nobody after it', async () => {
  let changes = 0;
  await fc.assert(
    fc.asyncProperty(anyTrace(40), async (trace) => {
      const input = inputOf(trace, 'never');
      const { itineraries } = await foresee(input);
      for (const itinerary of itineraries.values()) {
        const planner = plannerInputFor(input)(itinerary.spec);
        const stays = trueStays(itinerary, planner);
        const legs = new Legs(itinerary, planner.sites, planner.settings);
        for (let entry = 0; entry + 1 < itinerary.atMs.length; entry++) {
          legs.goTo(entry);
          const [atMs, endMs] = [itinerary.atMs[entry]!, itinerary.atMs[entry + 1]!];
          if (atMs === endMs) continue;
          const stay = stayAt(stays, atMs);
          expect(stay === undefined).toBe(!legs.isPopulated);
          if (stay === undefined) continue;
          expect(stay.untilMs).toBeGreaterThanOrEqual(endMs);
          for (const site of planner.sites.list.keys()) {
            expect(legs.servingRate(site)).toBeGreaterThanOrEqual(legs.servingRate(stay.site));
          }
        }
        stays.forEach(({ next, untilMs }, i) => {
          const following = stays[i + 1];
          expect(next).toBe(following !== undefined && following.fromMs === untilMs ? following.site : -1);
          if (next >= 0) changes++;
        });
      }
    }),
    { seed: SEED, numRuns: 100 },
  );
  expect(changes).toBeGreaterThan(50);
});
