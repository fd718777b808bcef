/**
 * A replay of a trace through the services makes the same decisions and ends of moves as a simulation of the trace, at the same
 * instants. The replay also uses a bus with partitions, a store, heartbeats and a paced clock.
 */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createPlacement } from '#services/placement/service.ts';
import { createPacedSystem } from '#services/process/paced-system.ts';
import { PERSONAL_VM, PersonalVms } from '#services/replay/personal-vms.ts';
import { replay } from '#services/replay/replay.ts';
import { readSites, type SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { openTrace } from '#services/replay/traces/trace.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { pacedClock } from '#shared/clock/paced.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { type Data, type Fact, type FactOf, TERMINAL_TYPES } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { run } from '#simulations/engine.ts';
import { generate } from '#simulations/generators/generate.ts';
import { northeastCorridor } from '#simulations/scenarios/northeast-corridor.ts';
import type { ScenarioVm } from '#simulations/scenarios/scenario.ts';
import { longOr } from '../long.ts';

type TerminalType = (typeof TERMINAL_TYPES)[number];

const SEED = 1;
/** Moves that are under way at the last position get this time of the run's clock to end, as in the simulation. */
const LAST_MOVES_MS = 600_000;

const data = '../shared/data/sf-cabspotting';
const demo = { trace: `${data}/cabs-demo-25.csv`, sites: `${data}/sites-demo-24.csv` };
const missing = Object.values(demo).filter((path) => !existsSync(path));

/** The input of both. @property vms undefined: each user gets a VM */
interface Played {
  readonly sites: readonly SiteSpec[];
  readonly fixes: readonly Fix[];
  readonly vms?: readonly ScenarioVm[];
}

/** The output that must be equal. */
interface Outcome {
  /** One line a decision, in order of VM and time. */
  readonly decisions: readonly string[];
  readonly ends: readonly string[];
  /** Number of locations by their outcome. */
  readonly locations: Record<string, number>;
}

/**
 * Collects the decisions until the last position, and the ends of their moves. Simulation and replay continue for different times
 * after that. The bus may deliver events of different VMs in any order.
 */
function collector(lastMs: number) {
  const decided: Data<'placement.decided.v1'>[] = [];
  const ended: { readonly type: string; readonly data: Data<TerminalType> }[] = [];
  return {
    collect(fact: Fact) {
      if (fact.type === 'placement.decided.v1' && fact.data.atMs <= lastMs) decided.push(fact.data);
      if (isTerminal(fact)) ended.push(fact);
    },
    collected() {
      const known = new Set(decided.map(({ decision }) => decision));
      const decisions = decided.map(
        ({ decision, vm, seq, verdict, from, to, atMs, reason, source, prediction }) =>
          `${vm} ${String(seq).padStart(4)} ${decision} ${verdict} ${from} → ${to} at ${atMs}: ${reason} (${source}) ${JSON.stringify(prediction)}`,
      );
      const ends = ended
        .filter(({ data }) => known.has(data.migration))
        .map(
          ({ type, data: { migration, vm, from, to, atMs, figures } }) =>
            `${vm} ${atMs} ${migration} ${type} ${from} → ${to} ${JSON.stringify(figures)}`,
        );
      return { decisions: decisions.toSorted(), ends: ends.toSorted() };
    },
  };
}

function isTerminal(fact: Fact): fact is FactOf<TerminalType> {
  return (TERMINAL_TYPES as readonly string[]).includes(fact.type);
}

const configOf = (policy: string): Config => parseConfig(JSON.stringify({ policy: { name: policy } }), 'test');

async function simulated(policy: string, { sites, fixes, vms }: Played): Promise<Outcome> {
  const { collect, collected } = collector(fixes.at(-1)!.atMs);
  const { locations } = await run({
    config: configOf(policy),
    sites,
    batches: [fixes],
    observe: collect,
    ...(vms && { vms }),
  });
  return { ...collected(), locations };
}

/** @param beside number of further placements that share the VMs with the first */
async function replayed(policy: string, speed: number, { sites, fixes, vms = [] }: Played, beside = 0) {
  const { collect, collected } = collector(fixes.at(-1)!.atMs);
  const config: Config = { ...configOf(policy), sites: sites.map((site) => ({ ...site, draining: false })), vms };
  const clock = pacedClock(fixes[0]!.atMs, speed);
  const bus = memoryBus({ partitions: config.bus.partitions });
  const [store, log] = [memoryStore(), createLog('silent')];
  const system = createPacedSystem({ config, clock, bus, store, log });
  const placements = Array.from({ length: beside }, () => createPlacement({ bus, store, clock, config, log }));
  await bus.subscribe({ group: 'test', types: ['placement.decided.v1', ...TERMINAL_TYPES] }, async (batch) => {
    for (const { event } of batch) collect(event);
  });
  try {
    for (const placement of placements) await placement.start();
    await system.start();
    const settle = async () => {
      do {
        await Promise.all(placements.map((placement) => placement.idle()));
        await system.settle();
      } while (placements.some(({ busy }) => busy));
    };
    const personal = vms.length === 0 ? new PersonalVms(sites) : undefined;
    await replay({ clock, ingest: system.ingest, settle, ...(personal && { personal }) }, [fixes]);
    const lastMs = clock.now() + LAST_MOVES_MS;
    while (clock.now() < lastMs && system.migrator.status().length > 0) await clock.paceTo(clock.now() + 1000, settle);
    const locations = new Map<string, number>(Object.entries(system.ingest.counts.implausible));
    for (const { counts } of [system.placement, ...placements]) {
      for (const [outcome, n] of counts) locations.set(outcome, (locations.get(outcome) ?? 0) + n);
    }
    return { ...collected(), locations: Object.fromEntries(locations) };
  } finally {
    await Promise.all(placements.map((placement) => placement.stop()));
    await system.stop();
  }
}

/** Asserts that simulation and replay agree, and that both decide and move a lot. @returns what the simulation decided */
async function bothAgree(policy: string, speed: number, played: Played, beside?: number): Promise<Outcome> {
  const simulation = await simulated(policy, played);
  const live = await replayed(policy, speed, played, beside);
  expect(simulation.decisions.length).toBeGreaterThan(100);
  expect(simulation.ends.length).toBeGreaterThan(100);
  expect(live.decisions).toEqual(simulation.decisions);
  expect(live.ends).toEqual(simulation.ends);
  // A repeated location has the same id, so that the bus drops it before placement can count it.
  expect(live.locations).toEqual({ ...simulation.locations, duplicate: undefined });
  return simulation;
}

describe(missing.length === 0 ? 'the evening of 25 cabs' : `the evening of 25 cabs [skipped: no ${missing}]`, () => {
  test.skipIf(missing.length > 0).each([
    ['tagalong', 600, 1],
    ['nearest', Number.POSITIVE_INFINITY, 1],
    // Here moves wait for each other often, so each placement must know the moves of the others.
    ['tagalong', Number.POSITIVE_INFINITY, 2],
    ['nearest', Number.POSITIVE_INFINITY, 3],
  ])(
    'replayed by %s, %d times as fast, by %d placements, has the decisions of the simulation',
    async (policy, speed, placements) => {
      const fixes: Fix[] = [];
      for await (const batch of (await openTrace(demo.trace)).batches()) fixes.push(...batch);
      await bothAgree(policy, speed, { sites: await readSites(demo.sites), fixes }, placements - 1);
    },
    180_000,
  );
});

describe(`the shipped scenario, seed ${SEED}`, () => {
  const { sites, vms, fixes } = northeastCorridor(SEED);

  test.each(longOr(['tagalong'], ['tagalong', 'nearest']))(
    'replayed by %s at full speed has the decisions of the simulation',
    async (policy) => {
      await bothAgree(policy, Number.POSITIVE_INFINITY, { sites, vms, fixes: [...fixes()] });
    },
    120_000,
  );
});

test('users who report only that they arrive and leave are decided as in simulation', async () => {
  const { sites, trace } = generate('geofences,users=120,steps=560', SEED);
  const fixes: Fix[] = [];
  for await (const batch of trace.batches()) fixes.push(...batch);
  await bothAgree('tagalong', Number.POSITIVE_INFINITY, { sites, fixes });
});

/** A shop of three tiers for each user, who is attached to the first tier; the databases of the first three are kept apart. */
function shops(sites: readonly SiteSpec[], users: readonly string[]): ScenarioVm[] {
  return users.flatMap((user, i) => {
    const home = sites[i % sites.length]!.site;
    const isApart = i < 3;
    const key = isApart ? 'chain' : `shop-${i}`;
    const nameOf = (tier: string) => `${key}::${tier}-${i}`;
    const group = { lead: nameOf('web'), apartUserMsPerS: 5 };
    const tier = (name: string, sessions: ScenarioVm['sessions'] = [], more: object = {}): ScenarioVm => ({
      ...{ vm: nameOf(name), home, spec: PERSONAL_VM, sessions },
      affinity: { preferenceUserMsPerS: 10, group, ...more },
    });
    // Followers before their lead: the order of declarations must not matter.
    const db = tier('db', [], isApart ? { apart: 'chain::databases' } : {});
    return [tier('app'), db, tier('web', [{ user, weight: 1 }])];
  });
}

test.each([
  ['nearest', 1, 'users=9,steps=150,stepS=15,fromMps=15,toMps=40'],
  ['nearest', 3, 'users=9,steps=150,stepS=15,fromMps=15,toMps=40'],
  ['tagalong', 3, 'users=18,steps=400,stepS=60,fromMps=2,toMps=6'],
])(
  'groups, and VMs that are kept apart, are decided under %s by %d placements as in simulation',
  async (policy, placements, walk) => {
    const { sites, trace } = generate(`random-waypoint,sites=9,spacingM=5000,${walk}`, SEED);
    const fixes: Fix[] = [];
    // Each user reports at instants of its own.
    for await (const batch of trace.batches()) {
      for (const fix of batch) fixes.push({ ...fix, atMs: fix.atMs + Number(fix.user.split('-')[1]) * 701 });
    }
    fixes.sort((a, b) => a.atMs - b.atMs);
    const vms = shops(sites, [...new Set(fixes.map(({ user }) => user))]);
    const { decisions } = await bothAgree(policy, Number.POSITIVE_INFINITY, { sites, fixes, vms }, placements - 1);
    expect(decisions.filter((line) => line.includes(': with-lead ')).length).toBeGreaterThan(50);
    // The relations matter: without them the same trace leads to other decisions.
    const alone = vms.map((vm) => ({ ...vm, affinity: { ...vm.affinity!, apart: undefined } }));
    expect((await simulated(policy, { sites, fixes, vms: alone as ScenarioVm[] })).decisions).not.toEqual(decisions);
  },
  180_000,
);
