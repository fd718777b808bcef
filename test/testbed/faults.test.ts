import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { topologies } from '#deploy/testbed/topology.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { PHASES, type Phase } from '#shared/events/index.ts';
import { type Break, FaultWorld, until } from './fault-world.ts';
import { onTestBed } from './needs.ts';

const [FROM, TO] = ['oslo', 'bonn'] as const;
const [FIRST, SECOND] = ['north', 'south'] as const;
const AWAY_MS = 500;
const CUT_MS = 2000;
const uplinks = [FIRST, SECOND].map((provider) => ({ provider, rateBps: 25e6 }));
const topology = topologies.parse(
  JSON.stringify({
    sites: [FROM, TO].map((site, i) => ({ site, lat: 50 + i, lon: 10, slots: 8, uplinks })),
    clients: [{ client: 'phone' }],
  }),
  'topology',
);

/** How long after its order a step is met: under way, but not done. */
const UNDER_WAY_MS: Record<Phase, number> = { prepare: 60, announce: 5, disk: 60, memory: 300, switch: 15, release: 5 };

const agentOf =
  (site: string): Break =>
  async ({ bed }) => {
    await bed.killAgent(site);
    await sleep(AWAY_MS);
    await bed.startAgent(site);
  };
const qemuAt =
  (site: string): Break =>
  ({ bed, vm }) =>
    bed.killQemu(site, vm);
const paths =
  (providers: readonly string[], cutMs: number): Break =>
  async ({ bed: { network } }) => {
    for (const provider of providers) await network.cut(FROM, provider);
    await sleep(cutMs);
    for (const provider of providers) await network.mend(FROM, provider);
  };

const FAULTS: Record<string, Break> = {
  "the source's agent dies": agentOf(FROM),
  "the destination's agent dies": agentOf(TO),
  'the migrator dies': async (world) => {
    world.killMigrator();
    await sleep(AWAY_MS);
    await world.startMigrator();
  },
  "the source's QEMU dies": qemuAt(FROM),
  "the destination's QEMU dies": async (world) => {
    // At prepare there is none yet.
    await until(() => world.at(TO), 'a receiver');
    await world.bed.killQemu(TO, world.vm);
  },
  'the first path is cut': paths([FIRST], CUT_MS),
  'the second path is cut': paths([SECOND], CUT_MS),
  'both paths are cut': paths([FIRST, SECOND], CUT_MS),
};
/** Whether a fault took the QEMU that may have held the VM: then it may stand still in the end, and say so. */
const tookTheVm = (fault: string, step: Phase) =>
  (fault === "the source's QEMU dies" && step !== 'release') ||
  (fault === "the destination's QEMU dies" && (step === 'switch' || step === 'release'));
/** After which fault of a step the VM is moved once more: nothing that was left behind may hinder that. */
const MOVED_AGAIN: Record<Phase, string> = {
  prepare: "the destination's QEMU dies",
  announce: "the source's agent dies",
  disk: "the destination's QEMU dies",
  memory: 'the migrator dies',
  switch: 'both paths are cut',
  release: "the destination's agent dies",
};
/** One path at a time is cut, now the one that the copies were connected over, now the other. */
const isPathOf = (fault: string, i: number) => !fault.startsWith(i % 2 === 0 ? 'the second path' : 'the first path');
const CASES = PHASES.flatMap((step, i) =>
  Object.keys(FAULTS)
    .filter((fault) => isPathOf(fault, i))
    .map((fault) => ({ fault, step })),
);

onTestBed('faults of real moves', () => {
  let bed: TestBed;
  let serial = 0;
  /** The next case's VM boots while the present one is moved. */
  const booting = new Map<number, Promise<void>>();
  const specOf = (number: number) => ({
    ...{ ramBytes: 96 * 2 ** 20, dirtyRateBps: 0, workingSetBytes: 0, downtimeLimitMs: 300, targetRttMs: 10 },
    diskBytes: 16 * 2 ** 20,
    name: `f${number}`,
  });
  const boot = (number: number) => {
    const known = booting.get(number);
    if (known) return known;
    const { name, ...spec } = specOf(number);
    const machine = { image: 'default', vcpus: 1, spec };
    const begun = (async () => {
      // The agent may be away: it is killed by the case before.
      await until(
        () =>
          bed.agents
            .get(FROM)!
            .order(name, 'start', { machine })
            .catch(() => undefined),
        name,
      );
      await bed.ready(FROM, name);
    })();
    begun.catch(() => {});
    booting.set(number, begun);
    return begun;
  };

  beforeAll(async () => {
    bed = await openTestBed(topology);
  }, 120_000);
  afterAll(async () => {
    await Promise.allSettled(booting.values());
    await bed?.close();
  });

  const withVm = async (work: (world: FaultWorld) => Promise<void>) => {
    const number = ++serial;
    await boot(number);
    void boot(number + 1);
    const { name, ...spec } = specOf(number);
    const world = new FaultWorld(bed, name, spec);
    await world.open();
    try {
      await work(world);
    } finally {
      await world.close();
    }
  };

  /** @param mayDie whether the VM may stand still in the end, for the reason that its QEMU was killed */
  const endures = async (world: FaultWorld, step: Phase, fault: Break, mayDie: boolean) => {
    const meet: Break = async (broken) => {
      await sleep(UNDER_WAY_MS[step]);
      await fault(broken);
    };
    const end = await world.move(FROM, TO, { step, fault: meet });
    expect(world.broke, `the fault was met before ${JSON.stringify(end.data)}`).toBe(true);
    await sleep(250);
    expect(world.ends(1), 'rule 5: one terminal event').toHaveLength(1);
    expect(end.data.figures.durationMs).toBeGreaterThan(0);
    expect(world.twice, 'rule 1: never in two places').toEqual([]);

    const home = end.type === 'migration.failed.v1' ? end.data.runsAt : TO;
    const runs = await until(
      async () => {
        const states = await world.states();
        return Object.keys(states).length === 1 ? states : undefined;
      },
      'an end without leftovers',
      5000,
    ).catch(() => world.states());
    if (mayDie && runs[home] === 'dead') {
      expect(end.data).toMatchObject({ code: 'VM_NOT_RUNNING', reason: expect.stringContaining('start it again') });
      // Once it has arrived it is the destination's, also where it dies there: only forward.
      if (home === TO) expect(end.data.figures.degraded).toContain('vm-died');
      expect(runs).toEqual({ [home]: 'dead' });
      const { name, ...spec } = specOf(serial);
      await bed.agents.get(home)!.order(name, 'start', { machine: { image: 'default', vcpus: 1, spec } });
      expect(await world.states(), 'rule 2: it can be resumed as was said').toEqual({ [home]: 'running' });
    } else expect(runs, 'rule 2: runs at exactly one site, and nothing is left over').toEqual({ [home]: 'running' });
    expect(world.sightings).toBeGreaterThan(0);
    return home;
  };

  test.each(CASES)('rule 1, 2, 5: $fault at $step', ({ fault, step }) =>
    withVm(async (world) => {
      const home = await endures(world, step, FAULTS[fault]!, tookTheVm(fault, step));
      if (MOVED_AGAIN[step] !== fault) return;
      expect((await world.move(home, home === TO ? FROM : TO)).type).toBe('migration.completed.v1');
    }),
  );

  test('rule 1, 2, 5: both paths are cut at memory and stay so', () =>
    withVm(async (world) => {
      const { network } = bed;
      const cut: Break = async () => {
        for (const provider of [FIRST, SECOND]) await network.cut(FROM, provider);
      };
      try {
        expect(await endures(world, 'memory', cut, false)).toBe(FROM);
      } finally {
        for (const provider of [FIRST, SECOND]) await network.mend(FROM, provider);
      }
      expect((await world.move(FROM, TO)).type).toBe('migration.completed.v1');
    }));
});
