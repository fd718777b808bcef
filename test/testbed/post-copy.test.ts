/** Post-copy, if it is allowed, moves a guest that writes faster than the paths carry. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { moveVm, RULES, specOf, startVm, twoSites, until } from '#deploy/testbed/moves.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { longOr, onlyLong } from '../long.ts';
import { type Act, FaultWorld } from './fault-world.ts';
import { onTestBed } from './needs.ts';
import { type PooledVm, VmPool } from './pool.ts';

const RATE_BPS = 12.5e6;
const BOTH = ['north', 'south'] as const;
/**
 * Without post-copy, a move would be given up after the first round. By then even a guest with little processor time has rewritten its
 * 40 MB. After a second round little of it might be left, and QEMU 10.0 fails if a connection breaks that holds all of the rest.
 */
const rules = { ...RULES, stallMs: 1500, maxRounds: 1, maxPauseMs: 10, postCopy: true };

/** So short that the busy guest cannot stop within it, even on a busy machine. */
const spec = specOf({ downtimeLimitMs: 30 });

onTestBed('post-copy of a real VM', () => {
  let bed: TestBed;
  let pool: VmPool;
  beforeAll(async () => {
    bed = await openTestBed(twoSites(RATE_BPS));
    pool = new VmPool(bed, spec);
  });
  afterAll(() => bed?.close());

  const guest = (site: string, vm: string, ...words: string[]) => bed.agents.get(site)!.guest(vm, words);
  const at = async (site: string, vm: string) => (await bed.agents.get(site)!.instance(vm)).instance;
  /** Runs `work` with a VM that writes all the time. `intact` checks its memory at a site. */
  const withBusyVm = (work: (pooled: PooledVm, intact: (site: string) => Promise<void>) => Promise<void>, of = pool) =>
    of.with(async (pooled) => {
      const { vm, from } = pooled;
      await guest(from, vm, 'fill', '8000000');
      const memory = await guest(from, vm, 'checksum');
      await guest(from, vm, 'dirty', '40000000', '40000000');
      await work(pooled, async (site) => expect(await guest(site, vm, 'checksum')).toBe(memory));
      // The next test gets an idle guest.
      const home = (await at(from, vm)) === undefined ? pooled.to : from;
      if ((await at(home, vm))?.state === 'running') await guest(home, vm, 'dirty', '0').catch(() => {});
    });
  /** Breaks something when the VM runs at its destination, before most of its memory has arrived. */
  const inPostCopy =
    ({ vm, to }: PooledVm, breaks: () => Promise<void>) =>
    async (step: string) => {
      if (step !== 'release') return;
      expect(await at(to, vm)).toMatchObject({ state: 'running', postCopy: 'under-way' });
      await breaks();
    };
  const cut = (providers: readonly string[]) => Promise.all(providers.map((each) => bed.network.cut('bonn', each)));
  const mend = (providers: readonly string[]) => Promise.all(providers.map((each) => bed.network.mend('bonn', each)));

  test('the VM resumes at its destination after a short pause, before all its memory has arrived, and is intact', () =>
    withBusyVm(async ({ vm, from, to }, intact) => {
      // A busy machine may send nothing for more than a second.
      const sound = { ...rules, stallMs: RULES.stallMs };
      const { degraded, pauseMs, bytes } = await moveVm(bed, vm, from, to, { rules: sound, spec });
      expect(degraded).toEqual(['post-copy']);
      expect(pauseMs).toBeGreaterThan(0);
      expect(pauseMs).toBeLessThan(2000);
      expect(bytes).toBeGreaterThan(60e6);
      expect(await at(from, vm)).toBeUndefined();
      await intact(to);
      // No leftovers prevent the next move.
      await guest(to, vm, 'dirty', '0');
      const back = await moveVm(bed, vm, to, from, { rules: { ...sound, maxRounds: RULES.maxRounds }, spec });
      expect(back.degraded).toEqual([]);
      await intact(from);
    }));

  test('both paths die in post-copy, and one returns: it carries the rest', () =>
    withBusyVm(async ({ vm, from, to }, intact) => {
      try {
        const before = inPostCopy({ vm, from, to }, async () => {
          await cut(BOTH);
          setTimeout(() => void mend(['south']), 4000);
        });
        const { degraded } = await moveVm(bed, vm, from, to, { rules, spec, before });
        expect(degraded).toContain('post-copy');
        await intact(to);
      } finally {
        await mend(['north']);
      }
    }));

  /** Moves a VM with the migrator, and breaks something in post-copy. @returns the only terminal event */
  const endOf = async (pooled: PooledVm, breaks: Act) => {
    const { vm, from, to } = pooled;
    const world = new FaultWorld(bed, vm, spec, rules);
    await world.open();
    try {
      const strike: Act = (broken) => inPostCopy(pooled, () => breaks(broken))('release');
      const { type, data } = await world.move(from, to, { point: { step: 'release' }, fault: { strike } });
      expect(world.struckIn).toBe('release');
      expect(world.endsOf(1), 'rule 5: one terminal event').toHaveLength(1);
      expect(world.atTwoSites, 'rule 1: never at two sites').toEqual([]);
      expect(data.figures.degraded).toContain('post-copy');
      expect(await at(from, vm)).toBeUndefined();
      return { type, data };
    } finally {
      await world.leave();
    }
  };

  onlyLong(() => {
    test('rule 1, 2, 5: the agents and the migrator die in post-copy, and the move completes', () =>
      withBusyVm(async ({ vm, from, to }, intact) => {
        const { type } = await endOf({ vm, from, to }, async (world) => {
          world.killMigrator();
          for (const site of ['oslo', 'bonn']) await bed.killAgent(site);
          for (const site of ['oslo', 'bonn']) await bed.startAgent(site);
          await world.startMigrator();
        });
        expect(type).toBe('migration.completed.v1');
        await intact(to);
      }));

    const [source, destination] = [['source', 'from'] as const, ['destination', 'to'] as const];
    test.each(longOr([destination], [source, destination]))(
      'rule 1, 2, 5: the QEMU at its %s dies in post-copy; the VM can be started again as the failure says',
      (_, end) =>
        withBusyVm(async (pooled) => {
          const { vm, to } = pooled;
          const { data } = await endOf(pooled, () => bed.killQemu(pooled[end], vm));
          expect(data).toMatchObject({ code: 'VM_NOT_RUNNING', runsAt: to });
          expect(data).toMatchObject({ reason: expect.stringContaining('start it again') });
          expect(await at(to, vm)).toMatchObject({ state: 'dead' });
          await startVm(bed, vm, to);
          expect(await at(to, vm)).toMatchObject({ state: 'running' });
        }),
    );
  });

  onlyLong(() => {
    test('the disk moves with the VM, and is complete before the VM runs', () => {
      const withDisk = specOf({ diskBytes: 16 * 2 ** 20, downtimeLimitMs: 30 });
      return withBusyVm(async ({ vm, from, to }, intact) => {
        await guest(from, vm, 'disk-write', '1000000');
        const { degraded } = await moveVm(bed, vm, from, to, { rules, spec: withDisk });
        expect(degraded).toEqual(['post-copy']);
        await intact(to);
        const [checked] = (await guest(to, vm, 'disk-verify')).split(' ').map(Number);
        expect(checked).toBeGreaterThan(0);
      }, new VmPool(bed, withDisk));
    });

    test('the only path of a copy dies in post-copy: the other one carries the rest', () =>
      withBusyVm(async ({ vm, from, to }, intact) => {
        // Without MPTCP, the connection has the first path only.
        const strip = 'add chain ip box strip { type filter hook forward priority 0; }';
        const rule = 'add rule ip box strip reset tcp option mptcp';
        await bed.network.exec('north', ['nft', `add table ip box; ${strip}; ${rule}`]);
        try {
          const before = inPostCopy({ vm, from, to }, async () => {
            await cut(['north']);
            await until(async () => (await at(from, vm))?.postCopy === 'broken');
          });
          const { degraded, bytesByPath } = await moveVm(bed, vm, from, to, { rules, spec, before });
          expect(degraded).toEqual(expect.arrayContaining(['plain-tcp', 'post-copy']));
          expect(bytesByPath['bonn~oslo/south']).toBeGreaterThan(1e6);
          await intact(to);
        } finally {
          await mend(['north']);
          await bed.network.exec('north', ['nft', 'delete table ip box']);
        }
      }));

    test('the receiver dies during the handover: the VM runs nowhere, and its site can start it again', () =>
      withBusyVm(async ({ vm, from, to }) => {
        let died: Promise<void> | undefined;
        const before = async (step: string) => {
          if (step !== 'switch') return;
          // The source has handed over.
          const handedOver = async () => (await at(from, vm))?.state === 'handed-over';
          died = until(handedOver).then(() => bed.killQemu(to, vm));
        };
        const moving = moveVm(bed, vm, from, to, { rules, spec, before });
        await expect(moving).rejects.toThrow();
        await died;
        // Before or after the arrival, the VM belongs to one site, and is dead there.
        const [source, destination] = [(await at(from, vm))?.state, (await at(to, vm))?.state];
        const home = destination === undefined ? from : to;
        expect(destination ?? source).toBe('dead');
        expect([source, destination]).not.toContain('running');
        await startVm(bed, vm, home);
        expect(await at(home, vm)).toMatchObject({ state: 'running' });
      }));
  });
});
