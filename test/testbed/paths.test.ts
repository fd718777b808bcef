/** What becomes of a real move when its paths are not what they should be. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { moveVm, RULES, specOf, startVm, twoSites } from '#deploy/testbed/moves.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { onTestBed } from './needs.ts';

const RATE_BPS = 12.5e6;

onTestBed('paths of a real move', () => {
  let bed: TestBed;
  let serial = 0;
  beforeAll(async () => {
    bed = await openTestBed(twoSites(RATE_BPS));
  });
  afterAll(() => bed?.close());

  const withVm = async (work: (vm: string) => Promise<void>) => {
    const vm = `vm${++serial}`;
    try {
      await startVm(bed, vm, 'oslo');
      await work(vm);
    } finally {
      for (const agent of bed.agents.values()) await agent.order(vm, 'remove', {});
    }
  };
  const runsAt = async (vm: string) => {
    const all = await Promise.all([...bed.agents.values()].map((agent) => agent.instance(vm)));
    return [...bed.agents.keys()].filter((_, i) => all[i]!.instance?.state === 'running');
  };
  /** Cuts paths a moment after the memory copy has begun. */
  const cutting = (providers: readonly string[]) => async (step: string) => {
    if (step !== 'memory') return;
    setTimeout(() => {
      for (const provider of providers) void bed.network.cut('bonn', provider);
    }, 700);
  };
  const mend = async (providers: readonly string[]) => {
    for (const provider of providers) await bed.network.mend('bonn', provider);
  };

  test.each(['north', 'south'])(
    'the path %s is cut while the memory is copied: the move goes on over the other',
    (cut) =>
      withVm(async (vm) => {
        try {
          const { bytesByPath, degraded } = await moveVm(bed, vm, 'oslo', 'bonn', { before: cutting([cut]) });
          expect(await runsAt(vm)).toEqual(['bonn']);
          const other = cut === 'north' ? 'south' : 'north';
          expect(bytesByPath[`bonn~oslo/${other}`]).toBeGreaterThan(bytesByPath[`bonn~oslo/${cut}`]!);
          // The tunnel of the stretched LANs is on the first path: whoever was on the old address is told late.
          expect(degraded.filter((what) => what !== 'single-path')).toEqual([]);
        } finally {
          await mend([cut]);
        }
      }),
  );

  test.each(['prepare', 'memory'])(
    'the first path is dead before %s begins: the move is made over the second',
    (dead) =>
      withVm(async (vm) => {
        const cut = async (step: string) => {
          if (step === dead) await bed.network.cut('bonn', 'north');
        };
        try {
          const { bytesByPath, degraded } = await moveVm(bed, vm, 'oslo', 'bonn', { before: cut });
          expect(await runsAt(vm)).toEqual(['bonn']);
          expect(degraded).toEqual(['single-path']);
          expect(bytesByPath['bonn~oslo/south']).toBeGreaterThan(20e6);
          expect(bytesByPath['bonn~oslo/north'] ?? 0).toBe(0);
        } finally {
          await mend(['north']);
        }
      }),
  );

  test('both paths are dead before the memory is copied: it is given up, and the VM runs on where it was', () =>
    withVm(async (vm) => {
      const cut = async (step: string) => {
        if (step === 'memory') for (const provider of ['north', 'south']) await bed.network.cut('bonn', provider);
      };
      try {
        const moving = moveVm(bed, vm, 'oslo', 'bonn', { before: cut, rules: { ...RULES, stallMs: 1000 } });
        await expect(moving).rejects.toMatchObject({ code: 'STALLED' });
        expect(await runsAt(vm)).toEqual(['oslo']);
      } finally {
        await mend(['north', 'south']);
      }
      expect((await moveVm(bed, vm, 'oslo', 'bonn')).degraded).toEqual([]);
    }));

  test('the only path that a copy has got dies: it is begun again over the other, and says so', () =>
    withVm(async (vm) => {
      const strip =
        'add chain ip box strip { type filter hook forward priority 0; }; add rule ip box strip reset tcp option mptcp';
      await bed.network.exec('north', ['nft', `add table ip box; ${strip}`]);
      try {
        const rules = { ...RULES, stallMs: 2000 };
        const { bytes, bytesByPath, degraded } = await moveVm(bed, vm, 'oslo', 'bonn', {
          before: cutting(['north']),
          rules,
        });
        expect(await runsAt(vm)).toEqual(['bonn']);
        expect(degraded.toSorted()).toEqual(['plain-tcp', 'retargeted', 'single-path']);
        // What was sent in vain counts as well.
        const [north, south] = ['north', 'south'].map((provider) => bytesByPath[`bonn~oslo/${provider}`]!);
        expect(north).toBeGreaterThan(1e6);
        expect(south).toBeGreaterThan(20e6);
        expect(north! + south!).toBeCloseTo(bytes, -1);
      } finally {
        await mend(['north']);
        await bed.network.exec('north', ['nft', 'delete table ip box']);
      }
    }));

  test('all paths are cut for good: the watchdog gives the move up, and the VM runs on where it was', () =>
    withVm(async (vm) => {
      try {
        const moving = moveVm(bed, vm, 'oslo', 'bonn', {
          before: cutting(['north', 'south']),
          rules: { ...RULES, stallMs: 2500 },
        });
        await expect(moving).rejects.toMatchObject({ code: 'STALLED' });
        expect(await runsAt(vm)).toEqual(['oslo']);
      } finally {
        await mend(['north', 'south']);
      }
      // Nothing of it is in the way of the next one.
      await sleep(200);
      expect((await moveVm(bed, vm, 'oslo', 'bonn')).degraded).toEqual([]);
    }));

  test('a middlebox strips MPTCP: the move is made over plain TCP, and says so', () =>
    withVm(async (vm) => {
      const strip =
        'add chain ip box strip { type filter hook forward priority 0; }; add rule ip box strip reset tcp option mptcp';
      await bed.network.exec('north', ['nft', `add table ip box; ${strip}`]);
      try {
        const { degraded } = await moveVm(bed, vm, 'oslo', 'bonn');
        expect(degraded).toEqual(['plain-tcp']);
      } finally {
        await bed.network.exec('north', ['nft', 'delete table ip box']);
      }
    }));

  test('a guest that writes faster than the paths carry is stopped by force, or its move is given up, by rule', () =>
    withVm(async (vm) => {
      await bed.agents.get('oslo')!.guest(vm, ['dirty', '40000000', '32000000']);
      const give = { rules: { ...RULES, maxRounds: 4, maxPauseMs: 10 } };
      await expect(moveVm(bed, vm, 'oslo', 'bonn', give)).rejects.toMatchObject({ code: 'NOT_CONVERGING' });
      expect(await runsAt(vm)).toEqual(['oslo']);
      const force = { rules: { ...RULES, maxRounds: 4, maxPauseMs: 10_000 }, spec: specOf() };
      const { degraded, pauseMs } = await moveVm(bed, vm, 'oslo', 'bonn', force);
      expect(degraded).toEqual(['forced-stop']);
      expect(pauseMs).toBeGreaterThan(300);
    }));
});
