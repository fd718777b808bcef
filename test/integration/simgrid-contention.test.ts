/**
 * The simulation agrees with the `live_migration` plugin of SimGrid 3.32 on moves that share a link. A user walks to another site, the
 * policy orders the VM and its group to follow at the same instant, and the moves share the bandwidth. One link of 125e6 B/s and 5 ms; VMs
 * of 1 GiB that send at most 119 MiB/s and dirty 0.3 × 119 MiB/s; a downtime limit of 30 ms; unlimited rounds. The figures are the
 * output of SimGrid for moves that begin together.
 */
import { describe, expect, test } from 'vitest';
import type { Fix } from '#services/replay/traces/fix.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Fact, FactOf, VmSpec } from '#shared/events/index.ts';
import { run } from '#simulations/engine.ts';
import { ORACLE } from '../unit/shared/hypervisor/simulated/oracle.ts';

const START_MS = Date.UTC(2026, 0, 1);
const RTT_MS = 10;
/** Two sites some metres apart, with one link between them. */
const SITES = ['a', 'b'].map((site, i) => ({
  ...{ site, lat: 45, lon: 10 + i * 1e-4, slots: 10 },
  uplinks: [{ provider: 'link', rateBps: 125e6 }],
}));
const GUEST: VmSpec = {
  ramBytes: 1024 ** 3,
  dirtyRateBps: 0.3 * 119 * 1024 ** 2,
  workingSetBytes: 1024 ** 3,
  diskBytes: 0,
  downtimeLimitMs: 30,
  targetRttMs: 0,
};
const CONFIG: Config = {
  ...DEFAULT_CONFIG,
  network: { accessMs: 0, msPerKm: 0.01, detour: 1, transitMs: RTT_MS },
  policy: { ...DEFAULT_CONFIG.policy, name: 'nearest' },
  limits: { ...DEFAULT_CONFIG.limits, movesPerSite: 10, movesPerPath: 10 },
  // More rounds than 10,000 s have. Without a limit the prediction of a copy that never converges would have no end.
  move: { ...ORACLE, maxRounds: 1_000_000 },
};

/**
 * Simulates a user who walks from one site to the other. Moves of one group do not wait for each other.
 * @param count the VMs of the group @param observe may throw, to end the simulation
 */
function walkOver(count: number, observe: (fact: Fact) => void) {
  const group = { lead: 'group::0', apartUserMsPerS: 1 };
  const vms = Array.from({ length: count }, (_, i) => ({
    ...{ vm: `group::${i}`, home: 'a', spec: GUEST, affinity: { preferenceUserMsPerS: 0, group } },
    sessions: i === 0 ? [{ user: 'walker', weight: 1 }] : [],
  }));
  const at = (seconds: number, { lat, lon }: (typeof SITES)[0]): Fix[] => [
    { user: 'walker', atMs: START_MS + seconds * 1000, lat, lon },
  ];
  return run({ config: CONFIG, sites: SITES, vms, batches: [at(0, SITES[0]!), at(10, SITES[1]!)], observe });
}

describe('moves that share a link have the durations and downtimes of SimGrid (within 1 %)', () => {
  test.each([
    { count: 1, totalS: 12.3288, downtimeS: 0.02805 },
    { count: 2, totalS: 42.991, downtimeS: 0.0256 },
  ])('$count at a time take $totalS s, with a downtime of $downtimeS s', async ({ count, totalS, downtimeS }) => {
    const ends: FactOf<'migration.completed.v1'>[] = [];
    const starts: number[] = [];
    const { migrations } = await walkOver(count, (fact) => {
      if (fact.type === 'migration.started.v1') starts.push(fact.data.atMs);
      if (fact.type === 'migration.completed.v1') ends.push(fact);
    });
    expect(migrations).toMatchObject({ completed: count, cancelled: 0, failed: {} });
    expect(new Set(starts)).toEqual(new Set([START_MS + 10_000]));
    for (const { data } of ends) {
      // Our move announces the address before the copy, which takes one round trip; SimGrid does not.
      expect(Math.abs((data.figures.durationMs - RTT_MS) / 1000 / totalS - 1)).toBeLessThan(0.01);
      expect(Math.abs(data.figures.pauseMs / 1000 / downtimeS - 1)).toBeLessThan(0.01);
    }
  });

  test('three moves never converge, as in SimGrid: after 10,000 s all still copy', async () => {
    const untilMs = START_MS + 10_000_000;
    const phases = new Map<string, string>();
    const others: string[] = [];
    await expect(
      walkOver(3, ({ type, data }) => {
        if (data.atMs > untilMs) throw new Error('long enough');
        if (type === 'migration.progressed.v1') phases.set(data.migration, data.phase);
        else others.push(type);
      }),
    ).rejects.toThrow('long enough');
    expect([...phases.values()]).toEqual(['memory', 'memory', 'memory']);
    const once = ['placement.decided.v1', 'migration.accepted.v1', 'migration.started.v1'];
    expect(others.toSorted()).toEqual(once.flatMap((type) => [type, type, type]).toSorted());
  });
});
