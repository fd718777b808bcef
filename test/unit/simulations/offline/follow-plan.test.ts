import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fact } from '#shared/events/index.ts';
import { runPolicy } from '#simulations/run-policy.ts';
import { SEED } from '../../../property/seed.ts';
import { anyTrace, inputOf, movesOf, START_MS } from '../made.ts';

/** Time between two positions of a user. */
const EVERY_MS = 10_000;
const uplinks = [{ provider: 'a', rateBps: 1e8 }];
const twoSites = [40, 41].map((lat) => ({ site: `s${lat}`, lat, lon: 5, slots: 100, uplinks }));
const costOf = async (trace: Parameters<typeof inputOf>[0], policy: string) =>
  (await runPolicy(inputOf(trace, policy))).cost.totalUserMs;

/** So many minutes at the one place, then so many at the other, and so on. */
function backAndForth(stays: readonly number[]) {
  const places = stays.flatMap((minutes, i) => Array.from({ length: (minutes * 60_000) / EVERY_MS }, () => i % 2));
  return places.map((place, i) => ({ user: 'u', atMs: START_MS + i * EVERY_MS, lat: 40 + place, lon: 5 }));
}

describe('the receding horizon', () => {
  test('decides nothing by what comes after its horizon', async () => {
    const horizonS = 120;
    let decided = 0;
    await fc.assert(
      fc.asyncProperty(anyTrace(40), fc.nat(), async ({ sites, fixes }, n) => {
        const upTo = n % fixes.length;
        const knownMs = fixes[upTo]!.atMs;
        const altered = fixes.map((fix, i) => (i > upTo ? { ...fix, lat: 84.5 - fix.lat, lon: 16 - fix.lon } : fix));
        const policy = `receding-horizon(${horizonS})`;
        const one = await movesOf({ sites, fixes }, policy);
        const other = await movesOf({ sites, fixes: altered }, policy);
        const early = (moves: typeof one) => moves.filter(({ atMs }) => atMs <= knownMs - horizonS * 1000);
        expect(early(one)).toEqual(early(other));
        decided += early(one).length;
      }),
      { seed: SEED, numRuns: 100 },
    );
    expect(decided).toBeGreaterThan(15);
  });

  test('values what comes after its end, where a frame ends with nothing', async () => {
    // Each stay begins within a frame, and the frame ends before the move pays.
    const trace = { sites: twoSites, fixes: backAndForth([30, 40, 35, 45]) };
    const [frames, receding, least] = [
      await costOf(trace, 'look-ahead(100)'),
      await costOf(trace, 'receding-horizon(100)'),
      await costOf(trace, 'optimum'),
    ];
    expect(receding).toBeLessThan(frames);
    expect(receding / least).toBeLessThan(1.05);
  });

  test('comes nearer to the optimum the farther it sees', async () => {
    const trace = { sites: twoSites, fixes: backAndForth([10, 1, 12, 2, 1, 15, 1, 9]) };
    const [near, far, least] = [
      await costOf(trace, 'receding-horizon(20)'),
      await costOf(trace, 'receding-horizon(1200)'),
      await costOf(trace, 'optimum'),
    ];
    expect(far).toBeLessThanOrEqual(near);
    expect(far / least).toBeLessThan(1.1);
  });
});

describe('the contended optimum', () => {
  /** All users change places at the same moments, so their VMs want the same paths. */
  const users = Array.from({ length: 8 }, (_, i) => `u${i}`);
  const fixes = backAndForth([30, 40, 35, 45]).flatMap((fix) =>
    users.map((user, i) => ({ ...fix, user, atMs: fix.atMs + i })),
  );
  const trace = { sites: twoSites, fixes };

  test('plans no two moves at a site at once, and carries the plan out', async () => {
    const open = new Set<string>();
    let [most, ended] = [0, 0];
    const observe = ({ type, data }: Fact) => {
      if (type === 'migration.started.v1') open.add(data.migration);
      most = Math.max(most, open.size);
      if (type === 'migration.completed.v1') ended += Number(open.delete(data.migration));
    };
    const input = inputOf(trace, 'contended-optimum', { observe });
    const { limits } = input.config;
    await runPolicy({
      ...input,
      config: { ...input.config, limits: { ...limits, movesPerSite: 100, movesPerPath: 100 } },
    });
    expect(most).toBe(1);
    expect(ended).toBeGreaterThanOrEqual(2 * users.length);
  });

  test('costs more than the optimum, and about as much as a planner whose moves take turns', async () => {
    const [least, contended, uncoordinated] = [
      await costOf(trace, 'optimum'),
      await costOf(trace, 'contended-optimum'),
      await costOf(trace, 'look-ahead(100000)'),
    ];
    expect(contended).toBeGreaterThan(least);
    // Moves of the other planner take turns, so it loses little by not foreseeing contention.
    expect(contended).toBeLessThan(uncoordinated * 1.05);
  });
});
