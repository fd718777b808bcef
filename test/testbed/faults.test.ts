import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { specOf } from '#deploy/testbed/moves.ts';
import { topologies } from '#deploy/testbed/topology.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { PHASES, type Phase } from '#shared/events/index.ts';
import { longOr, onlyLong } from '../long.ts';
import { type Ends, type Fault, FaultWorld, type Point, until } from './fault-world.ts';
import { onTestBed } from './needs.ts';
import { VmPool } from './pool.ts';

const [FIRST, SECOND] = ['north', 'south'] as const;
const AWAY_MS = 500;
const CUT_MS = 2000;
const uplinks = [FIRST, SECOND].map((provider) => ({ provider, rateBps: 25e6 }));
const topology = topologies.parse(
  JSON.stringify({
    sites: ['oslo', 'bonn'].map((site, i) => ({ site, lat: 50 + i, lon: 10, slots: 8, uplinks })),
    clients: [{ client: 'phone' }],
  }),
  'topology',
);

/** A point in the middle of each step. */
const UNDER_WAY: Record<Phase, Point> = {
  prepare: { step: 'prepare', after: 'receive' },
  announce: { step: 'announce', before: 'announce' },
  disk: { step: 'disk', after: 'mirror' },
  memory: { step: 'memory', after: 'copy' },
  switch: { step: 'switch', after: 'stop' },
  release: { step: 'release', after: 'settle' },
};
/** A later point of the switch: the source has handed over, and the destination has no order to run. */
const HANDED_OVER: Point = { step: 'switch', after: 'handOver' };

const agentAt = (end: 'from' | 'to'): Fault => ({
  strike: ({ bed, ends: { [end]: site } }) => bed.killAgent(site),
  async heal({ bed, ends: { [end]: site } }) {
    await sleep(AWAY_MS);
    await bed.startAgent(site);
  },
});
const qemuAt = (end: 'from' | 'to'): Fault => ({
  strike: ({ bed, vm, ends: { [end]: site } }) => bed.killQemu(site, vm),
});
const paths = (...providers: string[]): Fault => ({
  async strike({ bed: { network }, ends: { from } }) {
    for (const provider of providers) await network.cut(from, provider);
  },
  async heal({ bed: { network }, ends: { from } }) {
    await sleep(CUT_MS);
    for (const provider of providers) await network.mend(from, provider);
  },
});

const FAULTS = {
  "the source's agent dies": agentAt('from'),
  "the destination's agent dies": agentAt('to'),
  'the migrator dies': {
    strike: async (world) => world.killMigrator(),
    async heal(world) {
      await sleep(AWAY_MS);
      await world.startMigrator();
    },
  },
  "the source's QEMU dies": qemuAt('from'),
  "the destination's QEMU dies": qemuAt('to'),
  'the first path is cut': paths(FIRST),
  'the second path is cut': paths(SECOND),
  'both paths are cut': paths(FIRST, SECOND),
} as const satisfies Record<string, Fault>;
type Name = keyof typeof FAULTS;

/** True if a fault may kill the VM's own QEMU. Then the VM may end stopped, with that reason. */
const tookTheVm = (fault: Name, step: Phase) =>
  (fault === "the source's QEMU dies" && step !== 'release') ||
  (fault === "the destination's QEMU dies" && (step === 'switch' || step === 'release'));
/** The fault of each step after which the VM moves once more, to show that no leftovers prevent it. */
const MOVED_AGAIN: Record<Phase, Name> = {
  prepare: "the destination's QEMU dies",
  announce: "the source's agent dies",
  disk: 'the first path is cut',
  memory: 'the migrator dies',
  // The source has sent everything, and gets the VM back.
  switch: "the destination's QEMU dies",
  release: "the destination's agent dies",
};

/** Steps alternate between a cut of the first path and a cut of the second. */
const isPathOf = (fault: string, i: number) => !fault.startsWith(i % 2 === 0 ? 'the second path' : 'the first path');
const ALL = PHASES.flatMap((step, i) =>
  (Object.keys(FAULTS) as Name[])
    .filter((fault) => isPathOf(fault, i))
    .flatMap((fault) =>
      (step === 'switch' ? [UNDER_WAY.switch, HANDED_OVER] : [UNDER_WAY[step]]).map((point) => ({ fault, point })),
    ),
);
/** Each fault in at least one step, and at least one fault in each step; most in the switch. */
const SOME: readonly { readonly fault: Name; readonly point: Point }[] = [
  { fault: "the destination's QEMU dies", point: UNDER_WAY.prepare },
  { fault: 'the first path is cut', point: UNDER_WAY.disk },
  { fault: 'the second path is cut', point: UNDER_WAY.announce },
  { fault: 'the migrator dies', point: UNDER_WAY.memory },
  { fault: 'both paths are cut', point: UNDER_WAY.switch },
  { fault: "the source's QEMU dies", point: UNDER_WAY.switch },
  { fault: "the source's agent dies", point: HANDED_OVER },
  { fault: "the destination's QEMU dies", point: HANDED_OVER },
  { fault: "the destination's agent dies", point: UNDER_WAY.release },
];
const CASES = longOr(SOME, ALL).map(({ fault, point }) => ({
  ...{ fault, point, step: point.step },
  where: point.before === undefined ? `after ${point.after}` : `before ${point.before}`,
}));

onTestBed('faults of real moves', () => {
  const spec = specOf({ diskBytes: 16 * 2 ** 20 });
  let bed: TestBed;
  let pool: VmPool;
  beforeAll(async () => {
    bed = await openTestBed(topology);
    pool = new VmPool(bed, spec);
  }, 120_000);
  afterAll(() => bed?.close());

  /** Runs `work` with the world of a VM that runs at `from`. */
  const withVm = (work: (world: FaultWorld, ends: Ends) => Promise<void>) =>
    pool.with(async ({ vm, from, to }) => {
      const world = new FaultWorld(bed, vm, spec);
      await world.open();
      try {
        await work(world, { from, to });
      } finally {
        await world.leave();
      }
    });

  /** Moves a VM with a fault, and checks the rules. @param mayDie whether the VM may end stopped because of its killed QEMU */
  const endures = async (world: FaultWorld, { from, to }: Ends, point: Point, fault: Fault, mayDie: boolean) => {
    const end = await world.move(from, to, { point, fault });
    expect(world.struckIn, `the fault struck before ${JSON.stringify(end.data)}`).toBe(point.step);
    await sleep(250);
    expect(world.endsOf(1), 'rule 5: one terminal event').toHaveLength(1);
    expect(end.data.figures.durationMs).toBeGreaterThan(0);
    expect(world.atTwoSites, 'rule 1: never at two sites').toEqual([]);

    const home = end.type === 'migration.failed.v1' ? end.data.runsAt : to;
    const runs = await until(
      async () => {
        const states = await world.states();
        return Object.keys(states).length === 1 ? states : undefined;
      },
      'an end without leftovers',
      5000,
    ).catch(() => world.states());
    if (mayDie && runs[home] === 'dead') {
      expect(end.data).toMatchObject({ code: 'VM_NOT_RUNNING', reason: expect.stringMatching(/declar(e|ing) it at/) });
      // After its arrival the VM belongs to the destination, also if it dies there.
      if (home === to) expect(end.data.figures.degraded).toContain('vm-died');
      expect(runs).toEqual({ [home]: 'dead' });
      await bed.agents.get(home)!.order(world.vm, 'start', { machine: { image: 'default', vcpus: 1, spec } });
      expect(await world.states(), 'rule 2: it can be started again as the reason says').toEqual({ [home]: 'running' });
    } else expect(runs, 'rule 2: it runs at exactly one site, without leftovers').toEqual({ [home]: 'running' });
    expect(world.sightings).toBeGreaterThan(0);
    return home;
  };

  test.each(CASES)('rule 1, 2, 5: $fault at $step, $where', ({ fault, point, step }) =>
    withVm(async (world, ends) => {
      const home = await endures(world, ends, point, FAULTS[fault], tookTheVm(fault, step));
      if (MOVED_AGAIN[step] !== fault) return;
      const there = home === ends.to ? ends.from : ends.to;
      expect((await world.move(home, there)).type).toBe('migration.completed.v1');
    }),
  );

  // In CI, paths.test.ts tests a move that fails without any path.
  onlyLong(() => {
    test('rule 1, 2, 5: both paths are cut at memory for good', () =>
      withVm(async (world, ends) => {
        const { network } = bed;
        const { strike } = paths(FIRST, SECOND);
        try {
          expect(await endures(world, ends, UNDER_WAY.memory, { strike }, false)).toBe(ends.from);
        } finally {
          for (const provider of [FIRST, SECOND]) await network.mend(ends.from, provider);
        }
        expect((await world.move(ends.from, ends.to)).type).toBe('migration.completed.v1');
      }));
  });
});
