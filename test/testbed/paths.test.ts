/** Real moves over faulty paths. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { moveVm, RULES, twoSites, until } from '#deploy/testbed/moves.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { longOr, onlyLong } from '../long.ts';
import { onTestBed } from './needs.ts';
import { type PooledVm, VmPool } from './pool.ts';

const RATE_BPS = 12.5e6;
/** A small part of a guest's memory. */
const PART_BYTES = 5e6;

onTestBed('paths of a real move', () => {
  let bed: TestBed;
  let pool: VmPool;
  beforeAll(async () => {
    bed = await openTestBed(twoSites(RATE_BPS));
    pool = new VmPool(bed);
  });
  afterAll(() => bed?.close());

  const withVm = (work: (pooled: PooledVm) => Promise<void>) => pool.with(work);
  const runsAt = async (vm: string) => {
    const all = await Promise.all([...bed.agents.values()].map((agent) => agent.instance(vm)));
    return [...bed.agents.keys()].filter((_, i) => all[i]!.instance?.state === 'running');
  };
  /** Cuts paths when a part of the memory has been sent. */
  const cutting = ({ vm, from }: PooledVm, providers: readonly string[]) => {
    let cut: Promise<void> | undefined;
    return {
      async before(step: string) {
        if (step !== 'memory') return;
        cut = (async () => {
          await until(async () => {
            const { instance } = await bed.agents.get(from)!.instance(vm);
            return instance?.copy?.state === 'copying' && instance.copy.sentBytes > PART_BYTES;
          });
          for (const provider of providers) await bed.network.cut('bonn', provider);
        })();
        cut.catch(() => {});
      },
      /** Rejects if the copy ended before the cut. */
      done: async () => cut,
    };
  };
  const mend = async (providers: readonly string[]) => {
    // An error about a path that was never cut must not hide the error of the move.
    for (const provider of providers) await bed.network.mend('bonn', provider).catch(() => {});
  };

  test.each(longOr(['north'], ['north', 'south']))(
    'the path %s is cut while the memory is copied: the move continues over the other',
    (cut) =>
      withVm(async (pooled) => {
        const { vm, from, to } = pooled;
        const { before, done } = cutting(pooled, [cut]);
        try {
          const { bytesByPath, degraded } = await moveVm(bed, vm, from, to, { before });
          await done();
          expect(await runsAt(vm)).toEqual([to]);
          const other = cut === 'north' ? 'south' : 'north';
          expect(bytesByPath[`bonn~oslo/${other}`]).toBeGreaterThan(bytesByPath[`bonn~oslo/${cut}`]!);
          // The first path carries the tunnel of the stretched LANs, so that clients of the old address learn late.
          expect(degraded.filter((what) => what !== 'single-path')).toEqual([]);
        } finally {
          await mend([cut]);
        }
      }),
  );

  test.each(longOr(['memory'], ['prepare', 'memory']))(
    'the first path is dead before %s: the move uses the second',
    (dead) =>
      withVm(async ({ vm, from, to }) => {
        const cut = async (step: string) => {
          if (step === dead) await bed.network.cut('bonn', 'north');
        };
        try {
          const { bytesByPath, degraded } = await moveVm(bed, vm, from, to, { before: cut });
          expect(await runsAt(vm)).toEqual([to]);
          expect(degraded).toEqual(['single-path']);
          expect(bytesByPath['bonn~oslo/south']).toBeGreaterThan(20e6);
          expect(bytesByPath['bonn~oslo/north'] ?? 0).toBe(0);
        } finally {
          await mend(['north']);
        }
      }),
  );

  test('both paths are dead before the memory is copied: the move fails, and the VM runs on at its source', () =>
    withVm(async ({ vm, from, to }) => {
      const cut = async (step: string) => {
        if (step === 'memory') for (const provider of ['north', 'south']) await bed.network.cut('bonn', provider);
      };
      try {
        const moving = moveVm(bed, vm, from, to, { before: cut, rules: { ...RULES, stallMs: 1000 } });
        await expect(moving).rejects.toMatchObject({ code: 'STALLED' });
        expect(await runsAt(vm)).toEqual([from]);
      } finally {
        await mend(['north', 'south']);
      }
      expect((await moveVm(bed, vm, from, to)).degraded).toEqual([]);
    }));

  test('the only path of a copy dies: the copy begins again over the other, and reports it', () =>
    withVm(async (pooled) => {
      const { vm, from, to } = pooled;
      const { before, done } = cutting(pooled, ['north']);
      const strip =
        'add chain ip box strip { type filter hook forward priority 0; }; add rule ip box strip reset tcp option mptcp';
      await bed.network.exec('north', ['nft', `add table ip box; ${strip}`]);
      try {
        const rules = { ...RULES, stallMs: 2000 };
        const { bytes, bytesByPath, degraded } = await moveVm(bed, vm, from, to, { before, rules });
        await done();
        expect(await runsAt(vm)).toEqual([to]);
        expect(degraded.toSorted()).toEqual(['plain-tcp', 'retargeted', 'single-path']);
        // Bytes of the failed copy count too.
        const [north, south] = ['north', 'south'].map((provider) => bytesByPath[`bonn~oslo/${provider}`]!);
        expect(north).toBeGreaterThan(1e6);
        expect(south).toBeGreaterThan(20e6);
        expect(north! + south!).toBeCloseTo(bytes, -1);
      } finally {
        await mend(['north']);
        await bed.network.exec('north', ['nft', 'delete table ip box']);
      }
    }));

  onlyLong(() => {
    test('all paths are cut for good: the watchdog ends the move, and the VM runs on at its source', () =>
      withVm(async (pooled) => {
        const { vm, from, to } = pooled;
        const { before, done } = cutting(pooled, ['north', 'south']);
        try {
          const moving = moveVm(bed, vm, from, to, { before, rules: { ...RULES, stallMs: 2500 } });
          await expect(moving).rejects.toMatchObject({ code: 'STALLED' });
          await done();
          expect(await runsAt(vm)).toEqual([from]);
        } finally {
          await mend(['north', 'south']);
        }
        // No leftovers prevent the next move.
        await sleep(200);
        expect((await moveVm(bed, vm, from, to)).degraded).toEqual([]);
      }));
  });

  test('a middlebox strips MPTCP: the move uses plain TCP, and reports it', () =>
    withVm(async ({ vm, from, to }) => {
      const strip =
        'add chain ip box strip { type filter hook forward priority 0; }; add rule ip box strip reset tcp option mptcp';
      await bed.network.exec('north', ['nft', `add table ip box; ${strip}`]);
      try {
        const { degraded } = await moveVm(bed, vm, from, to);
        expect(degraded).toEqual(['plain-tcp']);
      } finally {
        await bed.network.exec('north', ['nft', 'delete table ip box']);
      }
    }));
});
