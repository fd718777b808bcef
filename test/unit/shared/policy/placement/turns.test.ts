/** Moves that would share uplinks: those that wait, in which order, those that need not, and what the predictions make of them. */
import { describe, expect, test } from 'vitest';
import type { VmSpec } from '#shared/events/index.ts';
import { predictTogether } from '#shared/model/shared-moves.ts';
import { Placement } from '#shared/policy/placement.ts';
import { keepVm, reviveVm } from '#shared/policy/state/kept-vm.ts';
import { RemoteMoves } from '#shared/policy/state/remote-moves.ts';
import { UNCORRECTED } from '#shared/policy/state/sites.ts';
import { RecentMap } from '#shared/recent.ts';
import { CALM, configWith, type Line, line, SPEC, START_MS, uplinked } from '../world.ts';

/** A VM at `s0` with so many users, who are nearest to another site from now on. */
function drawn(l: Line, vm: string, users: number, place: number, spec: VmSpec = CALM): void {
  l.vm(vm, 's0', spec);
  for (let i = 0; i < users; i++) {
    l.attach(vm, `${vm}-${i}`);
    l.fix(vm, `${vm}-${i}`, place);
  }
}

/** Lets time pass while all users say where they are, now and then. */
function live(l: Line, seconds: number): void {
  for (let passed = 0; passed < seconds; passed += 5) {
    l.pass(5000);
    for (const { id, sessions } of [...l.world.placement.vms.values()]) {
      for (const { user, track } of sessions) {
        l.world.locate({ vm: id, user, atMs: Math.round(l.clock.now()), lat: track.lat, lon: track.lon });
      }
    }
  }
}

const moveOf = (l: Line, vm: string) => l.decided('move').find((decided) => decided.vm === vm)!;
const endOf = (l: Line, vm: string) => l.ended().find((ended) => ended.vm === vm)!;
const errorOf = (l: Line, vm: string) => endOf(l, vm).figures.durationMs / moveOf(l, vm).prediction!.durationMs;
const correctionOf = (l: Line, from: string, to: string) => {
  const { sites } = l.world.placement;
  return sites.pair(sites.known(from), sites.known(to)).correction;
};

/** When the paths from s0 to s1 are free, as a core knows it once the present instant is over. */
const freeAtMs = ({ sites, traffic }: Placement, { clock }: Line) =>
  traffic.freeAtMs(sites.pair(sites.known('s0'), sites.known('s1')), clock.now() + 1);

describe('moves that leave a site over the same uplinks', () => {
  const l = line(3);
  l.vm('first', 's0', { ...CALM, ramBytes: 2e10 });
  l.order('first', 's2');
  drawn(l, 'small', 1, 1);
  drawn(l, 'large', 3, 1);
  drawn(l, 'medium', 2, 1);
  live(l, 60);
  const waiting = ['small', 'large', 'medium'].map((vm) => l.world.placement.vms.get(vm)!.reason);
  const explained = l.world.placement.explain('large', Math.round(l.clock.now()));
  live(l, 240);

  test('wait until the one before is done', () => {
    expect(waiting).toEqual(['path-busy', 'path-busy', 'path-busy']);
    expect(explained.candidates.find(({ site }) => site === 's1')).toMatchObject({ rejected: 'path-busy' });
    for (const vm of ['first', 'small', 'medium', 'large']) expect(errorOf(l, vm)).toBeCloseTo(1, 3);
  });

  test('begin in the order of what they gain a second of path time', () => {
    expect(l.decided('move').map(({ vm }) => vm)).toEqual(['first', 'large', 'medium', 'small']);
  });

  test('are prepared while the one before copies', () => {
    const orders = ['large', 'medium', 'small'].map((vm) => moveOf(l, vm).atMs);
    const ends = ['first', 'large', 'medium'].map((vm) => endOf(l, vm).atMs);
    orders.forEach((orderedAtMs, i) => {
      expect(orderedAtMs).toBeLessThan(ends[i]!);
    });
  });
});

test.each([1, 2])('move %i with its uplinks to itself is forecast as beside others, to the last digit', (count) => {
  const l = line(2);
  for (let i = 0; i < count; i++) {
    l.pass(600_000);
    l.vm(`v${i}`, 's0', CALM);
    l.order(`v${i}`, 's1');
  }
  const { sites, vms } = l.world.placement;
  const pair = sites.pair(sites.known('s0'), sites.known('s1'));
  const rateOf = ({ uplinks }: typeof pair.from, provider: string) =>
    uplinks.find((uplink) => uplink.provider === provider)!.rateBps;
  const rates = pair.paths.flatMap(({ provider }) => [rateOf(pair.from, provider), rateOf(pair.to, provider)]);
  const { orderedAtMs } = vms.get(`v${count - 1}`)!.context.move!;
  const paths = pair.paths.map((_, i) => [2 * i, 2 * i + 1]);
  const move = { spec: CALM, rttMs: pair.rttMs, paths, orderedAtMs, progress: null };
  const [forecast] = predictTogether(configWith().move, rates, [move]);
  expect(freeAtMs(l.world.placement, l)).toBe(forecast!.copyEndMs);
});

test('a move that waits for one of its size is shown with the prediction that it will have', () => {
  const l = line(3);
  l.vm('first', 's0', CALM);
  l.order('first', 's2');
  drawn(l, 'v', 1, 1);
  l.pass(1000);
  const shown = l.world.placement.explain('v', Math.round(l.clock.now())).candidates.find(({ site }) => site === 's1')!;
  live(l, 120);
  expect(shown.rejected).toBe('path-busy');
  expect(shown.prediction!.durationMs).toBeCloseTo(moveOf(l, 'v').prediction!.durationMs, 3);
});

test('a move does not wait for one that leaves most of the uplink to it, and its prediction knows what is left', () => {
  const l = line(3);
  uplinked(l, 2, [{ provider: 'a', rateBps: 3e7 }]);
  l.vm('narrow', 's0', { ...CALM, ramBytes: 1e10 });
  l.order('narrow', 's2');
  drawn(l, 'v', 1, 1);
  live(l, 60);
  const { prediction } = moveOf(l, 'v');
  expect(endOf(l, 'v').atMs).toBeLessThan(l.clock.now());
  expect(l.ended().map(({ vm }) => vm)).toEqual(['v']);
  expect(prediction!.durationMs).toBeGreaterThan((SPEC.ramBytes / (0.92 * 1.6e8)) * 1000);
  expect(errorOf(l, 'v')).toBeCloseTo(1, 3);
});

test('a move does not wait for one of its size that their host slows down, not the uplink', () => {
  const l = line(3);
  for (const site of [0, 1, 2]) uplinked(l, site, [{ provider: 'a', rateBps: 4e9 }]);
  const spec = { ...CALM, ramBytes: 1e11 };
  l.vm('first', 's0', spec);
  l.order('first', 's2');
  drawn(l, 'v', 3, 1, spec);
  live(l, 20);
  expect([l.stateOf('first'), l.stateOf('v')]).toEqual(['moving', 'moving']);
});

test('a VM of the largest size and weight does not hold up the others of its site', () => {
  const l = line(3);
  const spec = { ...CALM, ramBytes: 2 ** 48 };
  l.vm('huge', 's0', spec);
  for (let i = 0; i < 3; i++) l.attach('huge', `heavy-${i}`, 1e6);
  l.order('huge', 's2');
  drawn(l, 'v', 1, 1);
  drawn(l, 'w', 1, 1);
  live(l, 60);
  expect(l.stateOf('huge')).toBe('moving');
  expect(l.ended().map(({ vm, to }) => [vm, to])).toEqual([
    ['v', 's1'],
    ['w', 's1'],
  ]);
});

describe('a small move meets a long one that is worth little', () => {
  const l = line(3);
  drawn(l, 'long', 1, 1, { ...CALM, ramBytes: 2e10 });
  live(l, 10);
  const longUnderWay = l.stateOf('long');
  drawn(l, 'small', 5, 1);
  live(l, 60);
  const alone = line(3);
  drawn(alone, 'small', 5, 1);
  live(alone, 60);
  live(l, 900);

  test('it shares the uplinks, and pays for the delay of the other', () => {
    expect(longUnderWay).toBe('moving');
    const { durationMs, costUserMs } = moveOf(l, 'small').prediction!;
    const apart = moveOf(alone, 'small').prediction!;
    expect(moveOf(l, 'small').atMs).toBe(moveOf(alone, 'small').atMs + 10_000);
    expect(durationMs).toBeGreaterThan(apart.durationMs * 1.5);
    const delayedMs = endOf(l, 'long').figures.durationMs - moveOf(l, 'long').prediction!.durationMs;
    const delayUserMs = (delayedMs / 1000) * moveOf(l, 'long').prediction!.delayUserMsPerS!;
    expect(costUserMs - apart.costUserMs).toBeGreaterThan(delayUserMs * 0.9);
  });

  test('the correction of the paths learns nothing from it', () => {
    expect(errorOf(l, 'small')).toBeCloseTo(1, 2);
    expect(errorOf(l, 'long')).toBeGreaterThan(1.01);
    expect(correctionOf(l, 's0', 's1')).toEqual(UNCORRECTED);
  });
});

test('a move shares only if it is worth it at the price that it has beside the others', () => {
  const l = line(3);
  l.vm('long', 's0', { ...CALM, ramBytes: 2e11 });
  l.order('long', 's2');
  drawn(l, 'v', 2, 1);
  live(l, 300);
  expect(l.world.placement.vms.get('v')!.reason).toBe('path-busy');
  live(l, 1500);
  const { benefitUserMs, costUserMs } = moveOf(l, 'v').prediction!;
  expect(benefitUserMs).toBeGreaterThanOrEqual(configWith().policy.margin * costUserMs);
});

test("operators' orders that share a path are predicted and carried out at once, and teach nothing wrong", () => {
  const l = line(2);
  for (const vm of ['v', 'w', 'x']) {
    l.vm(vm, 's0', { ...CALM, ramBytes: 4e9 });
    l.order(vm, 's1');
    l.pass(5000);
  }
  l.pass(600_000);
  expect(errorOf(l, 'x')).toBeCloseTo(1, 2);
  expect(errorOf(l, 'v')).toBeGreaterThan(1.5);
  expect(correctionOf(l, 's0', 's1')).toEqual(UNCORRECTED);
  l.order('v', 's0');
  l.pass(600_000);
  expect(correctionOf(l, 's1', 's0'), 'a move that has its uplinks to itself teaches').toMatchObject({ samples: 1 });
});

describe('a move that has sent its last byte', () => {
  const l = line(3);
  l.vm('v', 's0', { ...CALM, ramBytes: 2e10 });
  l.vm('w', 's0', CALM);
  l.vm('x', 's0', CALM);
  l.order('v', 's1');
  l.order('w', 's2');
  const { placement } = l.world;
  const alone = placement.vms.get('v')!.context.move!.raw;
  const beside = placement.vms.get('w')!.context.move!.raw;
  const sharedFreeAtMs = freeAtMs(placement, l);
  placement.traffic.switched('v:1', l.clock.now() + 1);
  const freedAtMs = freeAtMs(placement, l);
  placement.traffic.switched('w:1', l.clock.now() + 1);
  const pair = placement.sites.pair(placement.sites.known('s0'), placement.sites.known('s2'));

  test('takes nothing from the moves beside it any more', () => {
    expect(freedAtMs - l.clock.now()).toBeLessThan((sharedFreeAtMs - l.clock.now()) / 5);
  });

  test('takes nothing from a further move, and is not delayed by it', () => {
    const { move, delayUserMs } = placement.traffic.predict(pair, CALM, l.clock.now() + 1);
    expect(delayUserMs).toBe(0);
    expect(move.durationMs).toBeCloseTo(beside.durationMs, 3);
  });

  test('is compared with the prediction of the move alone, from which corrections are learned', () => {
    expect(beside.durationMs).toBeLessThan(moveOf(l, 'w').prediction!.durationMs / 1.5);
    expect(alone.durationMs).toBeCloseTo(moveOf(l, 'v').prediction!.durationMs, 6);
  });
});

/** Another core that knows the same sites. */
function another({ world, clock }: Line): Placement {
  const { network, move, policy, limits, ingest } = configWith();
  const placement = new Placement({ network, move, policy, limits, plausibility: ingest.plausibility });
  for (const fact of world.placement.sites.facts()) placement.apply(fact, Math.round(clock.now()));
  return placement;
}
const progressed = ({ facts }: Line) => facts.filter((fact) => fact.type === 'migration.progressed.v1');

describe('another process, or a later one', () => {
  test.each([0, 3000, 40_000])('knows %i ms after the order when the paths are free', (afterMs) => {
    const l = line(2);
    l.vm('v', 's0', { ...CALM, ramBytes: 6e9, dirtyRateBps: 3e7, workingSetBytes: 2e9 });
    l.order('v', 's1');
    const { placement } = l.world;
    const other = another(l);
    const remote = new RemoteMoves(other.traffic, new RecentMap(10));
    remote.onEvent({ type: 'placement.decided.v1', data: l.decided('move')[0]! }, START_MS);
    l.pass(afterMs);
    for (const fact of progressed(l)) other.apply(fact, fact.data.atMs);
    expect(l.stateOf('v')).toBe('moving');
    expect(freeAtMs(placement, l)).toBeGreaterThan(l.clock.now());
    expect(freeAtMs(other, l), 'to the last digit').toBe(freeAtMs(placement, l));

    const later = another(l);
    const record = JSON.parse(JSON.stringify(keepVm(placement.vms.get('v')!, placement.sites)));
    later.restore(reviveVm(record, later.sites));
    expect(Math.abs(freeAtMs(later, l) - freeAtMs(placement, l)), 'as far as predicted').toBeLessThan(100);
  });
});

describe('the progress of a copy', () => {
  function copying() {
    const l = line(3);
    l.vm('v', 's0', { ...CALM, ramBytes: 6e9 });
    l.order('v', 's1');
    l.pass(5000);
    l.world.placement.drain();
    const atMs = l.clock.now();
    const copy = { phase: 'memory', round: 0, sentBytes: 0, remainingBytes: 3e9, rateBps: 1.4e8, subflows: 2 } as const;
    const tell = (more: object) => {
      const data = { migration: 'v:1', vm: 'v', from: 's0', to: 's1', atMs, ...copy, ...more };
      l.world.placement.apply({ type: 'migration.progressed.v1', data }, atMs);
    };
    return { l, tell, freeAtMs: () => freeAtMs(l.world.placement, l) };
  }

  test('is kept in memory only, and counts after its instant', () => {
    const { l, tell, freeAtMs } = copying();
    const beforeMs = freeAtMs();
    tell({ remainingBytes: 1 });
    expect(l.world.placement.drain().vms).toEqual([]);
    expect(freeAtMs()).toBeLessThan(beforeMs - 1000);
  });

  test.each([{ vm: 'w' }, { from: 's2' }, { to: 's2' }, { migration: 'v:2' }])(
    'of another move, %o, is ignored',
    (other) => {
      const { tell, freeAtMs } = copying();
      const beforeMs = freeAtMs();
      tell({ remainingBytes: 1, ...other });
      expect(freeAtMs()).toBe(beforeMs);
    },
  );

  test('has no more to go than the memory of the VM', () => {
    const { l, tell, freeAtMs } = copying();
    tell({ remainingBytes: 1e15 });
    expect(freeAtMs()).toBeLessThan(l.clock.now() + (6e9 / (0.9 * 1.6e8)) * 1000);
  });
});

test('a VM that waits for a move is planned again when that move is cancelled', () => {
  const l = line(3);
  l.vm('first', 's0', { ...CALM, ramBytes: 2e10 });
  l.order('first', 's2');
  drawn(l, 'v', 1, 1);
  live(l, 60);
  expect(l.world.placement.vms.get('v')!.reason).toBe('path-busy');
  const atMs = Math.round(l.clock.now());
  l.world.migrations.cancel('first', 'operator', atMs);
  // Any event passes the cancellation on.
  l.world.tell({ type: 'session.detached.v1', data: { vm: 'v', user: 'nobody', atMs } });
  l.pass(1000);
  expect(l.stateOf('v')).toBe('moving');
});

test('a move that was loaded from its record teaches as without the load', () => {
  const l = line(2);
  l.vm('v', 's0', CALM);
  l.order('v', 's1');
  const { placement } = l.world;
  expect(placement.vms.get('v')!.context.move!.shared).toBe(false);
  const later = another(l);
  later.restore(reviveVm(JSON.parse(JSON.stringify(keepVm(placement.vms.get('v')!, placement.sites))), later.sites));
  l.pass(60_000);
  for (const fact of l.facts) if (fact.type.startsWith('migration.')) later.apply(fact, Math.round(l.clock.now()));
  expect(later.vms.get('v')!.home.id).toBe('s1');
  expect(later.drain().lessons).toMatchObject([{ pair: 's0~s1' }]);
  const learned = later.sites.pair(later.sites.known('s0'), later.sites.known('s1')).correction;
  expect(learned).toEqual(correctionOf(l, 's0', 's1'));
  expect(learned.samples).toBe(1);
});

test('a VM waits for no turn once it is retired', () => {
  const l = line(3);
  l.vm('first', 's0', { ...CALM, ramBytes: 2e10 });
  l.order('first', 's2');
  drawn(l, 'v', 1, 1);
  live(l, 60);
  const { waiting } = l.world.placement.traffic;
  expect([...waiting.keys()]).toEqual(['v']);
  l.world.tell({ type: 'vm.retired.v1', data: { vm: 'v', atMs: Math.round(l.clock.now()) } });
  expect([...waiting.keys()]).toEqual([]);
});
