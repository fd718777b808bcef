import { describe, expect, test } from 'vitest';
import type { Phase } from '#shared/events/index.ts';
import type { Move } from '#shared/hypervisor/hypervisor.ts';
import { inPlainWords } from '#shared/policy/decide/words.ts';
import { Placement } from '#shared/policy/placement.ts';
import { configWith, type Line, line, positionAt, SPEC, START_MS, UPLINKS } from './world.ts';

/** VM `v` at `s0` with user `u`, who has just reported `place`. */
function settled(place: number, ...options: Parameters<typeof line>): Line {
  const l = line(...options);
  l.vm('v', 's0');
  l.attach('v', 'u');
  l.fix('v', 'u', place);
  return l;
}

describe('a VM', () => {
  test('follows its user after the dwell time near a better site, and not before', () => {
    const l = settled(0, 2);
    l.pass(1_000);
    l.fix('v', 'u', 1);
    expect(l.stateOf('v')).toBe('drifting');
    l.pass(4_999);
    expect(l.stateOf('v')).toBe('drifting');
    l.pass(1);
    expect(l.stateOf('v')).toBe('moving');
    l.pass(30_000);
    expect(l.stateOf('v')).toBe('cooling');
    expect(l.homeOf('v')).toBe('s1');
    expect(l.world.hypervisor.running('v')).toEqual(['s1']);
  });

  test('stays if the user returns in time, and placement publishes the decision', () => {
    const l = settled(0, 2);
    l.pass(1_000);
    l.fix('v', 'u', 1);
    l.pass(4_000);
    l.fix('v', 'u', 0);
    expect(l.decided().map(({ verdict, reason }) => `${verdict} ${reason}`)).toEqual(['stay home-is-best']);
    expect(l.stateOf('v')).toBe('settled');
  });

  test('does not follow a user who is silent, until the next position', () => {
    // The usual stay is too short to pay for the move, so that the stay must last. By then the user is silent.
    const l = settled(1, 2, configWith({ policy: { priorStayMs: 60_000, priceUserMsPerGb: 200 } }));
    // Two reports say how often the user reports.
    l.pass(5_000);
    l.fix('v', 'u', 1);
    l.pass(795_000);
    expect(l.decided('move')).toEqual([]);
    expect(l.world.placement.explain('v', l.clock.now())).toMatchObject({ state: 'drifting', reason: 'users-quiet' });
    l.fix('v', 'u', 1);
    expect(l.decided('move').map(({ atMs }) => atMs)).toEqual([START_MS + 800_000]);
  });

  test('cancels its move if the user returns before the switch-over', () => {
    const l = settled(0, 2);
    l.pass(1_000);
    l.fix('v', 'u', 1);
    l.pass(6_000);
    l.fix('v', 'u', 0);
    l.pass(30_000);
    expect(l.decided().map(({ verdict }) => verdict)).toEqual(['move', 'cancel']);
    expect(l.decided('cancel')[0]).toMatchObject({ cancels: 'v:1', reason: 'overtaken' });
    expect(l.facts.map(({ type }) => type)).toContain('migration.cancelled.v1');
    expect(l.homeOf('v')).toBe('s0');
  });

  test('does not move under the policy "never"', () => {
    const l = settled(1, 2, configWith({ policy: { name: 'never' } }));
    l.pass(3_600_000);
    expect(l.decided('move')).toEqual([]);
  });

  test('follows at once under the policy "nearest"', () => {
    const l = settled(0, 2, configWith({ policy: { name: 'nearest' } }));
    l.pass(1_000);
    l.fix('v', 'u', 1);
    expect(l.decided('move').map(({ atMs }) => atMs)).toEqual([START_MS + 1_000]);
  });

  test('does not move again during its cooling pause', () => {
    const l = settled(1, 3);
    l.pass(30_000);
    expect(l.stateOf('v')).toBe('cooling');
    const arrivedMs = l.ended()[0]!.atMs;
    l.fix('v', 'u', 2);
    l.pass(arrivedMs + 29_999 - l.clock.now());
    expect(l.decided('move')).toHaveLength(1);
    expect(l.stateOf('v')).toBe('cooling');
    l.pass(60_000);
    expect(l.decided('move')).toHaveLength(2);
  });

  test('is idle after the session time-out of its users', () => {
    const l = settled(0, 2);
    l.pass(899_999);
    expect(l.stateOf('v')).toBe('settled');
    l.pass(1);
    expect(l.stateOf('v')).toBe('idle');
    l.fix('v', 'u', 0);
    expect(l.stateOf('v')).toBe('settled');
  });

  test('waits after a failure, each time for longer', () => {
    const fails = (_: Move, step: Phase) =>
      step === 'prepare' ? ({ kind: 'fail', code: 'BROKEN', reason: 'a test', afterMs: 0 } as const) : undefined;
    const l = settled(1, 2, configWith(), fails);
    for (let i = 0; i < 100; i++) {
      l.pass(30_000);
      l.fix('v', 'u', 1);
    }
    const failedMs = l.facts.flatMap(({ type, data }) => (type === 'migration.failed.v1' ? [data.atMs] : []));
    const pausesMs = l
      .decided('move')
      .slice(1)
      .map(({ atMs }, i) => atMs - failedMs[i]!);
    expect(pausesMs.slice(0, 4)).toEqual([60_000, 120_000, 240_000, 480_000]);
    expect(l.homeOf('v')).toBe('s0');
  });
});

describe('an operator orders a move', () => {
  /** The filter that refuses the order of `v` from `s0` to `s1`. */
  function refused(prepare: (l: Line) => void, config = configWith()): string {
    const l = settled(0, 3, config);
    prepare(l);
    try {
      l.world.placement.order('v', 's1', l.clock.now());
    } catch (error) {
      expect(error).toMatchObject({ code: 'MOVE_REFUSED' });
      return /\((\S+)\)$/.exec((error as Error).message)![1]!;
    }
    return 'allowed';
  }
  const one = configWith({ limits: { movesPerSite: 1, movesPerPath: 1 } });
  const busy = (l: Line, from: string, to: string) => {
    l.vm('other', from);
    l.world.placement.order('other', to, l.clock.now());
  };
  const hot = { ...SPEC, dirtyRateBps: 1e9, workingSetBytes: 1e9 };

  test.each<[string, (l: Line) => void, ReturnType<typeof configWith>?]>([
    ['allowed', () => {}],
    ['draining', (l) => l.site(1, { draining: true })],
    ['full', (l) => l.site(1, { slots: 0 })],
    ['full', (l) => l.site(1, { slots: 2, vms: ['x', 'y'] })],
    ['no-path', (l) => l.site(1, { uplinks: [{ provider: 'elsewhere', rateBps: 1e8 }] })],
    ['source-busy', (l) => busy(l, 's0', 's2'), one],
    ['destination-busy', (l) => busy(l, 's2', 's1'), one],
    ['path-busy', (l) => busy(l, 's0', 's1'), configWith({ limits: { movesPerSite: 9, movesPerPath: 1 } })],
    [
      'not-converging',
      (l) => {
        l.pass(1_000);
        l.vm('v', 's0', hot);
      },
      configWith({ move: { maxPauseMs: 1 } }),
    ],
  ])('%s', (word, prepare, config) => {
    expect(refused(prepare, config)).toBe(word);
  });

  test('silent', () => {
    const { network, move, policy, limits, ingest } = configWith();
    const placement = new Placement({ network, move, policy, limits, plausibility: ingest.plausibility });
    const report = (i: number, atMs: number) =>
      placement.apply(
        {
          type: 'site.reported.v1',
          data: { site: `s${i}`, atMs, ...positionAt(i), slots: 9, vms: [], draining: false, uplinks: UPLINKS },
        },
        atMs,
      );
    report(0, START_MS + 40_000);
    report(1, START_MS);
    placement.apply({ type: 'vm.declared.v1', data: { vm: 'v', atMs: START_MS, home: 's0', spec: SPEC } }, START_MS);
    expect(() => placement.order('v', 's1', START_MS + 40_000)).toThrow(/silent/);
    report(1, START_MS + 40_000);
    expect(() => placement.order('v', 's1', START_MS + 40_000)).not.toThrow();
  });

  test('is refused to its own site, during a move, to an unknown site, and for an unknown VM', () => {
    const l = settled(0, 2);
    const order = (vm: string, to: string) => () => l.world.placement.order(vm, to, l.clock.now());
    expect(order('v', 's0')).toThrow(/already-there/);
    expect(order('v', 's9')).toThrow(expect.objectContaining({ code: 'SITE_UNKNOWN' }));
    expect(order('w', 's1')).toThrow(expect.objectContaining({ code: 'VM_UNKNOWN' }));
    order('v', 's1')();
    expect(order('v', 's1')).toThrow(/already moving/);
  });

  test('is not limited by the budget of moves, which limits the policy', () => {
    const config = configWith({ policy: { maxMovesPerHour: 1, coolingMs: 0 } });
    const l = settled(1, 3, config);
    l.pass(60_000);
    l.fix('v', 'u', 2);
    l.pass(120_000);
    expect(l.homeOf('v')).toBe('s1');
    const { candidates } = l.world.placement.explain('v', l.clock.now());
    expect(candidates.find(({ site }) => site === 's2')?.rejected).toBe('move-budget-spent');
    expect(l.decided('move')).toHaveLength(1);
    l.world.placement.order('v', 's2', l.clock.now());
    expect(l.world.placement.vms.get('v')!.state).toBe('moving');
  });
});

describe('while automatic moves are paused', () => {
  test('a VM stays, its explanation names the pause, and it moves when the pause ends', () => {
    const l = settled(0, 2);
    l.world.placement.pause(true, l.clock.now());
    l.pass(1_000);
    l.fix('v', 'u', 1);
    l.pass(120_000);
    expect(l.decided('move')).toEqual([]);
    const explained = l.world.placement.explain('v', l.clock.now());
    expect(explained.candidates.find(({ site }) => site === 's1')).toMatchObject({ rejected: 'automation-paused' });
    expect(inPlainWords(explained, undefined)).toContain('an operator has paused automatic moves');
    l.world.placement.pause(false, l.clock.now());
    l.fix('v', 'u', 1.001);
    l.pass(60_000);
    expect(l.homeOf('v')).toBe('s1');
  });

  test('operators move VMs, and VMs leave a draining site', () => {
    const l = settled(0, 3);
    l.world.placement.pause(true, l.clock.now());
    l.order('v', 's1');
    l.pass(120_000);
    expect(l.homeOf('v')).toBe('s1');
    l.site(1, { draining: true });
    l.pass(120_000);
    expect(l.homeOf('v')).not.toBe('s1');
  });
});

describe('a draining home', () => {
  test('is left by all its VMs for their best other sites, as many at a time as the limits allow', () => {
    const l = line(3, configWith({ limits: { movesPerSite: 2, movesPerPath: 2 } }));
    for (let i = 0; i < 6; i++) {
      l.vm(`v${i}`, 's1');
      l.attach(`v${i}`, `u${i}`);
      l.fix(`v${i}`, `u${i}`, i % 2 === 0 ? 0.8 : 1.2);
    }
    l.site(1, { draining: true });
    let most = 0;
    for (let s = 0; s < 300; s++) {
      l.pass(1_000);
      most = Math.max(most, l.world.migrations.live.size);
    }
    expect(most).toBe(2);
    expect(l.world.hypervisor.vmsAt('s1')).toEqual([]);
    expect(l.world.hypervisor.vmsAt('s0').toSorted()).toEqual(['v0', 'v2', 'v4']);
    expect(l.world.hypervisor.vmsAt('s2').toSorted()).toEqual(['v1', 'v3', 'v5']);
    expect(new Set(l.decided('move').map(({ source, reason }) => `${source} ${reason}`))).toEqual(
      new Set(['evacuation home-draining']),
    );
  });

  test('is left by a VM without users too, which waits until a site can take it', () => {
    const l = line(2);
    l.site(1, { draining: true });
    l.vm('v', 's0');
    l.site(0, { draining: true });
    l.pass(120_000);
    expect(l.stateOf('v')).toBe('evacuating');
    l.site(1);
    l.pass(120_000);
    expect(l.world.hypervisor.running('v')).toEqual(['s1']);
  });

  test('keeps its VM if it opens again before a move', () => {
    const l = line(1);
    l.vm('v', 's0');
    l.site(0, { draining: true });
    expect(l.stateOf('v')).toBe('evacuating');
    l.site(0);
    expect(l.stateOf('v')).not.toBe('evacuating');
    expect(l.decided()).toEqual([]);
  });
});

test('an explanation names each candidate with its cost and the filter that refuses it', () => {
  const l = settled(0, 3);
  l.pass(1_000);
  l.site(2, { draining: true });
  l.fix('v', 'u', 2);
  const explanation = l.world.placement.explain('v', l.clock.now() + 5_000);
  expect(explanation).toMatchObject({ vm: 'v', home: 's0', policy: 'tagalong', sessions: 1, oldestFixAgeMs: 5_000 });
  const [best, ...others] = explanation.candidates;
  expect(best).toMatchObject({ site: 's2', rejected: 'draining' });
  expect(others.map(({ site }) => site)).toEqual(['s1', 's0']);
  // 200 km with a detour of 2.1 at 0.01 ms/km, and 2 ms of transit to a site that is not the nearest.
  expect(explanation.homeServingUserMsPerS).toBeCloseTo(200 * 2.1 * 0.01 + 2, 1);
  expect(others[0]!.prediction!.benefitUserMs).toBeGreaterThan(0);
  expect(others[1]!.prediction).toBeUndefined();
});
