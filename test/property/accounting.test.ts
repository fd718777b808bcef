/**
 * The laboratory compares policies by the cost of the same hours of the same users. The hours do not depend on the sites of the
 * VMs, so that they are equal, to the last digit, for every policy and for the optimum.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PERSONAL_VM } from '#services/replay/personal-vms.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import type { Fact } from '#shared/events/index.ts';
import { userRttMs } from '#shared/model/network.ts';
import { LIVE_NAMES } from '#shared/policy/rules/named.ts';
import type { Vm } from '#shared/policy/state/state.ts';
import { type RunInput, run } from '#simulations/engine.ts';
import { ReportDataCollector } from '#simulations/report-data/collector.ts';
import { runPolicy } from '#simulations/run-policy.ts';
import { anyTrace, inputOf } from '../unit/simulations/made.ts';
import { SEED } from './seed.ts';

const POLICIES = [
  ...LIVE_NAMES,
  'hysteresis(0.1)',
  'myopic(600)',
  'ski-rental(0.2)',
  'learned-mdp',
  'look-ahead(60)',
  'look-ahead(100000)',
  'optimum',
];

/** One VM for all users. The sum of their weights has no exact value in binary. */
const together = [
  {
    vm: 'shared',
    home: 's0',
    spec: PERSONAL_VM,
    sessions: [1, 0.1, 2.7].map((weight, i) => ({ user: `u${i}`, weight })),
  },
];

/** Swaps some neighbouring positions, so that they arrive late. */
function belated(fixes: readonly Fix[], places: readonly number[]): Fix[] {
  const late = [...fixes];
  for (const place of places) {
    const at = place % (late.length - 1);
    late.splice(at, 2, late[at + 1]!, late[at]!);
  }
  return late;
}

const anyInput = fc
  .record({ trace: anyTrace(40), late: fc.array(fc.nat(), { maxLength: 4 }), shared: fc.boolean() })
  .map(({ trace: { sites, fixes }, late, shared }) => ({
    trace: { sites, fixes: belated(fixes, late) },
    more: shared ? { vms: together } : {},
  }));

test('users are present for the same time under every policy, to the last digit', async () => {
  let moves = 0;
  await fc.assert(
    fc.asyncProperty(anyInput, async ({ trace, more }) => {
      const { userHours } = (await runPolicy(inputOf(trace, 'never', more))).cost;
      for (const policy of POLICIES) {
        const { cost, migrations } = await runPolicy(inputOf(trace, policy, more));
        expect(cost.userHours, policy).toBe(userHours);
        moves += migrations.completed;
      }
    }),
    { seed: SEED, numRuns: 12 },
  );
  expect(moves).toBeGreaterThan(50);
}, 300_000);

interface Place {
  readonly lat: number;
  readonly lon: number;
}

function haversineKm(a: Place, b: Place): number {
  const [phi, theta] = [(a.lat * Math.PI) / 180, (b.lat * Math.PI) / 180];
  const lambda = ((b.lon - a.lon) * Math.PI) / 180;
  const half = Math.sin((theta - phi) / 2) ** 2 + Math.cos(phi) * Math.cos(theta) * Math.sin(lambda / 2) ** 2;
  return 2 * 6371 * Math.asin(Math.sqrt(half));
}

/** A position that counted. @property near the index of the nearest site, by the policy: two sites may be at one place */
interface Position extends Place {
  readonly atMs: number;
  readonly near: number;
  readonly presence: string | null;
}

/** Runs a policy. @returns the positions of each user of each VM, and the sites of each VM with their times */
async function observed(input: RunInput) {
  const positions = new Map<string, { vm: Vm; weight: number; list: Position[] }>();
  const homes = new Map<string, { atMs: number; site: string }[]>();
  const homesOf = (vm: string, first: string) => {
    if (!homes.has(vm)) homes.set(vm, [{ atMs: Number.NEGATIVE_INFINITY, site: first }]);
    return homes.get(vm)!;
  };
  const watcher = new ReportDataCollector(input.sites, input.config.policy, 100);
  const result = await run({
    ...input,
    watcher,
    onPosition(vm, user, atMs) {
      const session = vm.sessions.find((one) => one.user === user)!;
      const key = `${vm.id} ${user}`;
      if (!positions.has(key)) positions.set(key, { vm, weight: session.weight, list: [] });
      positions.get(key)!.list.push({
        atMs,
        lat: session.track.lat,
        lon: session.track.lon,
        near: session.near,
        presence: session.presence,
      });
      homesOf(vm.id, vm.home.id);
    },
    observe(fact: Fact) {
      if (fact.type !== 'migration.switched.v1') return;
      const { vm, from, to, atMs } = fact.data;
      homesOf(vm, from).push({ atMs, site: to });
    },
  });
  return { result, reportData: watcher.reportData(), positions: [...positions.values()], homes };
}

test('a run and its report data equal an independent calculation, leg by leg and site by site', async () => {
  let switched = 0;
  await fc.assert(
    fc.asyncProperty(anyInput, fc.constantFrom('tagalong', 'nearest', 'lyapunov'), async ({ trace, more }, policy) => {
      const input = inputOf(trace, policy, more);
      const { network, policy: settings } = input.config;
      const { result, reportData, positions, homes } = await observed(input);
      let [userMs, weightedMs, paidMs] = [0, 0, 0];
      for (const { vm, weight, list } of positions) {
        const ways = homes.get(vm.id)!;
        for (const [i, { atMs, lat, lon, near, presence }] of list.slice(0, -1).entries()) {
          const longestMs = presence === 'arrived' ? 1e12 : presence === 'left' ? 0 : settings.sessionTimeoutMs;
          const endMs = Math.min(list[i + 1]!.atMs, atMs + longestMs);
          weightedMs += (endMs - atMs) * weight;
          const distances = trace.sites.map((site) => haversineKm({ lat, lon }, site));
          for (const [n, { atMs: fromMs, site }] of ways.entries()) {
            const toMs = ways[n + 1]?.atMs ?? Number.POSITIVE_INFINITY;
            const hereMs = Math.max(0, Math.min(endMs, toMs) - Math.max(atMs, fromMs));
            const index = trace.sites.findIndex((one) => one.site === site);
            const rttMs = userRttMs(network, distances[index]!, index === near);
            userMs += (hereMs / 1000) * weight * Math.max(0, rttMs - vm.spec.targetRttMs);
            paidMs += hereMs * weight;
          }
        }
        switched += ways.length - 1;
      }
      const { cost } = result;
      expect(cost.userHours * 3_600_000).toBeCloseTo(weightedMs, 3);
      expect(paidMs).toBeCloseTo(weightedMs, 3);
      expect(Math.abs(cost.servingUserMs - userMs)).toBeLessThanOrEqual(1e-6 * (1 + userMs));
      expect(reportData.rttMs.weight * 1000).toBeCloseTo(weightedMs, 3);
      const served = reportData.worst.reduce((sum, { servingUserMs }) => sum + servingUserMs, 0);
      expect(Math.abs(served - userMs)).toBeLessThanOrEqual(1e-6 * (1 + userMs));
    }),
    { seed: SEED, numRuns: 60 },
  );
  expect(switched).toBeGreaterThan(30);
}, 300_000);
