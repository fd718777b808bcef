/** The engine simulates whole inputs: it counts each position, and computes the cost of serving and of moves. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { DEFAULT_SITE, readSites, type SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { openTrace } from '#services/replay/traces/trace.ts';
import { parseConfig } from '#shared/config/load.ts';
import { type Data, type Fact, TERMINAL_TYPES } from '#shared/events/index.ts';
import { type RunResult, run } from '#simulations/engine.ts';
import { northeastCorridor } from '#simulations/scenarios/northeast-corridor.ts';
import { longOr } from '../long.ts';

const SEEDS = [1, 2, 3];
const data = '../shared/data/sf-cabspotting';
const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);
const configOf = (policy: string) => parseConfig(JSON.stringify({ policy: { name: policy } }), 'test');

interface Observed {
  readonly result: RunResult;
  readonly facts: readonly Fact[];
  readonly decided: readonly Data<'placement.decided.v1'>[];
}

async function observed(policy: string, input: Omit<Parameters<typeof run>[0], 'config' | 'observe'>) {
  const facts: Fact[] = [];
  const result = await run({ ...input, config: configOf(policy), observe: (fact) => facts.push(fact) });
  const decided = facts.flatMap(({ type, data }) => (type === 'placement.decided.v1' ? [data] : []));
  return { result, facts, decided } satisfies Observed;
}

describe('recorded cabs', () => {
  /** True if San Francisco's cabs can be there. */
  const inTheBay = ({ lat, lon }: Fix) => lat > 37.2 && lat < 38.2 && lon > -123 && lon < -121.5;

  const evening = {
    when: 'of an evening',
    trace: `${data}/cabs-demo-25.csv`,
    list: `${data}/sites-demo-24.csv`,
    wild: 1,
  };
  const day = {
    when: 'of a day',
    trace: `${data}/cabs-2008-05-21.csv.gz`,
    list: `${data}/sites-enodeb-sf.csv`,
    wild: 5,
  };
  for (const { when, trace, list, wild } of longOr([evening], [evening, day])) {
    const missing = [trace, list].filter((path) => !existsSync(path));
    const name = `the impossible points ${when} are counted, and change nothing`;
    test.skipIf(missing.length > 0)(
      missing.length === 0 ? name : `${name} [skipped: ${missing.join(', ')} is missing]`,
      async () => {
        const fixes: Fix[] = [];
        for await (const batch of (await openTrace(trace)).batches()) fixes.push(...batch);
        const tame = fixes.filter(inTheBay);
        expect(fixes.length - tame.length).toBe(wild);
        const sites = await readSites(list);
        const all = await observed('tagalong', { sites, batches: [fixes] });
        const without = await observed('tagalong', { sites, batches: [tame] });
        // Both runs have the same events, from the first home on.
        expect(JSON.stringify(all.facts) === JSON.stringify(without.facts)).toBe(true);
        expect(all.result.vms).toBe(without.result.vms);
        expect(all.result.cost).toEqual(without.result.cost);
        const { teleport, ...counted } = all.result.locations;
        const { teleport: others, ...same } = without.result.locations;
        expect(teleport).toBe(others! + wild);
        expect(counted).toEqual(same);
      },
      300_000,
    );
  }
});

describe.each(SEEDS)('the shipped scenario, seed %d', (seed) => {
  const scenario = northeastCorridor(seed);
  const { sites, vms } = scenario;
  const fixes = [...scenario.fixes()];
  const play = (policy: string) => observed(policy, { sites, vms, batches: [fixes] });

  test('each position is counted once, implausible ones and repeats under their reasons', async () => {
    const { locations } = (await play('tagalong')).result;
    expect(sum(locations)).toBe(fixes.length);
    const { duplicate, 'null-island': nowhere, teleport, quiet, looked, ...others } = locations;
    expect(others).toEqual({});
    expect(duplicate).toBe(scenario.duplicatePoints);
    expect(nowhere! + teleport!).toBe(scenario.wildPoints);
    expect(quiet! + looked!).toBe(fixes.length - scenario.duplicatePoints - scenario.wildPoints);
  });

  test.each(['tagalong', 'nearest'])('every move by %s ends once, and events are in order of time', async (policy) => {
    const { result, facts, decided } = await play(policy);
    const ordered = decided.filter(({ verdict }) => verdict === 'move').map(({ decision }) => decision);
    const idsOf = (...types: readonly string[]) =>
      facts.flatMap(({ type, data }) => (types.includes(type) && 'migration' in data ? [data.migration] : [])).sort();
    expect(ordered.length).toBeGreaterThan(50);
    expect(idsOf('migration.accepted.v1')).toEqual(ordered.sort());
    expect(idsOf(...TERMINAL_TYPES)).toEqual(ordered);
    const { completed, cancelled, failed } = result.migrations;
    expect(completed + cancelled + sum(failed)).toBe(ordered.length);
    const times = facts.map(({ data }) => data.atMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(sum(result.decisions)).toBe(decided.length);
  });

  test('never moving costs at least as much as tagalong, and tagalong moves no VM back at once', async () => {
    const [tagalong, nearest, never] = [await play('tagalong'), await play('nearest'), await play('never')];
    expect(never.result.cost.totalUserMs).toBeGreaterThanOrEqual(tagalong.result.cost.totalUserMs);
    expect(never.facts).toEqual([]);
    expect(tagalong.result.migrations.pingPong).toBe(0);
    expect(nearest.result.migrations.completed).toBeGreaterThanOrEqual(tagalong.result.migrations.completed);
    // The user hours do not depend on the sites of the VMs.
    expect(nearest.result.cost.userHours).toBe(never.result.cost.userHours);
    expect(tagalong.result.cost.userHours).toBe(never.result.cost.userHours);
  });
});

describe('users', () => {
  const site = (name: string, lon: number, slots: number): SiteSpec => ({
    ...{ site: name, lat: 52, lon, slots },
    uplinks: DEFAULT_SITE.uplinks.map((uplink) => ({ ...uplink })),
  });
  const START_MS = Date.UTC(2026, 2, 2, 12);
  const fix = (user: string, minute: number, lon: number, lat = 52): Fix => ({
    ...{ user, lat, lon },
    atMs: START_MS + minute * 60_000,
  });

  test('without a free slot have no VM, and their positions count as unattached', async () => {
    const fixes = [fix('ann', 0, 4), fix('bob', 0, 4), fix('ann', 1, 4), fix('bob', 1, 4), fix('bob', 2, 4)];
    const { result } = await observed('tagalong', { sites: [site('west', 4, 1)], batches: [fixes] });
    expect(result).toMatchObject({ users: 1, vms: 1, locations: { looked: 1, quiet: 1, unattached: 3 } });
  });

  test('with an impossible first position get their VM with the first possible one', async () => {
    const fixes = [fix('ann', 0, 0, 0), fix('ann', 1, 200), fix('ann', 2, 7), fix('ann', 3, 7)];
    const { result, decided } = await observed('tagalong', {
      sites: [site('west', 0, 5), site('east', 7, 5)],
      batches: [fixes],
    });
    expect(result.locations).toMatchObject({ 'null-island': 1, 'out-of-range': 1 });
    expect(sum(result.locations)).toBe(4);
    // The VM started in the east, and no site is better.
    expect(decided).toEqual([]);
    expect(result.cost.servingUserMs).toBe(0);
  });

  test('who go back and forth are followed each time by nearest, and at most twice by tagalong', async () => {
    // Three kilometres and back, with two minutes at each place. The moves stay below the limit of moves an hour.
    const fixes = Array.from({ length: 12 }, (_, minute) => fix('ann', minute, Math.floor(minute / 2) % 2 ? 4.05 : 4));
    const input = { sites: [site('west', 4, 5), site('east', 4.05, 5)], batches: [fixes] };
    const { migrations } = (await observed('nearest', input)).result;
    expect(migrations).toMatchObject({ completed: 5, cancelled: 0, pingPong: 4 });
    const tagalong = (await observed('tagalong', input)).result;
    expect(tagalong.migrations.pingPong).toBe(0);
    expect(tagalong.migrations.completed).toBeLessThan(3);
  });

  test('are served from the new site at the switch-over, before the next position', async () => {
    // One position at the first site, then one every ten minutes at the other.
    const fixes = Array.from({ length: 10 }, (_, i) => fix('ann', 10 * i, i === 0 ? 4 : 4.164));
    const sites = [site('west', 4, 5), site('east', 4.164, 5)];
    const { result, facts } = await observed('nearest', { sites, batches: [fixes] });
    const never = (await observed('never', { sites, batches: [fixes] })).result;
    const switchedMs = facts.flatMap(({ type, data }) => (type === 'migration.switched.v1' ? [data.atMs] : []));
    expect(switchedMs).toHaveLength(1);
    const lateS = (switchedMs[0]! - fixes[1]!.atMs) / 1000;
    expect(lateS).toBeCloseTo(21.3, 1);
    // The old site is 11.2 km away: 0.24 ms, and 2 ms more because it is not the nearest.
    const excessMs = never.cost.servingUserMs / (8 * 600);
    expect(excessMs).toBeCloseTo(2.235, 2);
    expect(result.cost.servingUserMs).toBeCloseTo(lateS * excessMs, 6);
    expect(result.cost.servingUserMs).toBeCloseTo(47.6, 0);
    expect(result.cost.userHours).toBe(1.5);
    expect(never.cost.userHours).toBe(1.5);
  });

  test('get no move after the last position of the run, although one is under way', async () => {
    // Ann and, six seconds later, Eve go to the other site and stay. A move becomes worth its cost between two positions.
    const walk = (user: string, late: number) => [
      fix(user, late, 4),
      ...Array.from({ length: 60 }, (_, i) => fix(user, 10 + late + 0.4 * i, 4.164)),
    ];
    const all = [...walk('ann', 0), ...walk('eve', 0.1)].toSorted((a, b) => a.atMs - b.atMs);
    const sites = [site('west', 4, 5), site('east', 4.164, 5)];
    const whole = await observed('tagalong', { sites, batches: [all] });
    const [ann, eve] = whole.decided.filter(({ verdict }) => verdict === 'move');
    expect([ann!.vm, eve!.vm]).toEqual(['vm-ann', 'vm-eve']);
    const completed = whole.facts.find(({ type }) => type === 'migration.completed.v1')!;
    expect(completed.data.atMs).toBeGreaterThan(eve!.atMs);

    const endMs = (ann!.atMs + eve!.atMs) / 2;
    const fixes = [...all.filter(({ atMs }) => atMs < endMs), { ...fix('bob', 0, 4), atMs: endMs }];
    const { result, decided } = await observed('tagalong', { sites, batches: [fixes] });
    expect(decided.map(({ decision }) => decision)).toEqual([ann!.decision]);
    expect(result.migrations.completed).toBe(1);
  });

  test('without positions cost nothing', async () => {
    const { result } = await observed('tagalong', { sites: [site('west', 4, 1)], batches: [] });
    expect(result).toMatchObject({ users: 0, vms: 0, locations: {}, decisions: {}, cost: { totalUserMs: 0 } });
    expect(result.cost.meanExcessRttMs).toBe(0);
  });

  test('who stay far from their VM for an hour cost the excess of each second', async () => {
    const fixes = Array.from({ length: 61 }, (_, minute) => fix('ann', minute, 7));
    const vms = [
      {
        ...{ vm: 'v', home: 'west', sessions: [{ user: 'ann', weight: 2 }] },
        spec: {
          ramBytes: 1e9,
          dirtyRateBps: 1e6,
          workingSetBytes: 1e7,
          diskBytes: 0,
          downtimeLimitMs: 300,
          targetRttMs: 10,
        },
      },
    ];
    const sites = [site('west', 4, 5), site('east', 7, 5)];
    const { result } = await observed('never', { sites, vms, batches: [fixes] });
    expect(result.cost.userHours).toBe(2);
    expect(result.cost.servingUserMs).toBeCloseTo(7200 * result.cost.meanExcessRttMs, 6);
    // 205 km × 2.1 × 0.01 ms, and 2 ms because it is not the nearest site. Access (10 ms) and target (10 ms) cancel out.
    expect(result.cost.meanExcessRttMs).toBeCloseTo(205.4 * 0.021 + 2, 2);
  });
});
