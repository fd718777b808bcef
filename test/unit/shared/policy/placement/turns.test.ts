/** Moves that would share uplinks: those that wait, in which order, those that need not, and what the predictions make of them. */
import { describe, expect, test } from 'vitest';
import { PERSONAL_VM } from '#services/replay/personal-vms.ts';
import type { VmSpec } from '#shared/events/index.ts';
import type { Uplink } from '#shared/model/paths.ts';
import { Placement } from '#shared/policy/placement.ts';
import { keepVm, reviveVm } from '#shared/policy/state/kept-vm.ts';
import { RemoteMoves } from '#shared/policy/state/remote-moves.ts';
import { UNCORRECTED } from '#shared/policy/state/sites.ts';
import { RecentMap } from '#shared/recent.ts';
import { configWith, type Line, line, positionAt, SPEC, START_MS } from '../world.ts';

/** A VM that writes nothing: its interruption does not depend on the rate. */
const CALM = { ...SPEC, dirtyRateBps: 0 };

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

/** Gives a site these uplinks: placement hears of it, and the hypervisor has them. */
function uplinked(l: Line, site: number, uplinks: readonly Uplink[], more: object = {}): void {
  l.site(site, { uplinks: [...uplinks], ...more });
  l.world.hypervisor.declareSite({ site: `s${site}`, ...positionAt(site), uplinks });
}

const moveOf = (l: Line, vm: string) => l.decided('move').find((decided) => decided.vm === vm)!;
const endOf = (l: Line, vm: string) => l.ended().find((ended) => ended.vm === vm)!;
const errorOf = (l: Line, vm: string) => endOf(l, vm).figures.durationMs / moveOf(l, vm).prediction!.durationMs;
const correctionOf = (l: Line, from: string, to: string) => {
  const { sites } = l.world.placement;
  return sites.pair(sites.known(from), sites.known(to)).correction;
};

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

/** Another core that knows the same sites. */
function another({ world, clock }: Line): Placement {
  const { network, move, policy, limits, ingest } = configWith();
  const placement = new Placement({ network, move, policy, limits, plausibility: ingest.plausibility });
  for (const fact of world.placement.sites.facts()) placement.apply(fact, Math.round(clock.now()));
  return placement;
}
/** When the paths from s0 to s1 are free, as a core knows it once the present instant is over. */
const freeAtMs = ({ sites, traffic }: Placement, { clock }: Line) =>
  traffic.freeAtMs(sites.pair(sites.known('s0'), sites.known('s1')), clock.now() + 1);
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

/** A site with 60 VMs is drained. @returns how long it takes ÷ what the bytes of its VMs take at these rates */
function drained(carried: readonly Uplink[]): number {
  const l = line(5);
  const slots = 70;
  for (let i = 0; i < 5; i++) {
    uplinked(l, i, GIGABITS, { slots });
    l.world.hypervisor.declareSite({ site: `s${i}`, ...positionAt(i), uplinks: carried });
  }
  for (let i = 0; i < 60; i++) {
    l.vm(`v${i}`, 's0', PERSONAL_VM);
    // Some have users, who are everywhere.
    if (i % 3 > 0) continue;
    l.attach(`v${i}`, `u${i}`);
    l.fix(`v${i}`, `u${i}`, i % 5);
  }
  l.pass(1000);
  const fromMs = l.clock.now();
  l.site(0, { slots, uplinks: GIGABITS, draining: true });
  l.pass(3_600_000);
  const ended = l.ended().filter(({ from }) => from === 's0');
  expect(ended).toHaveLength(60);
  expect([...l.world.placement.vms.values()].filter(({ home }) => home.id === 's0')).toEqual([]);
  const bytes = ended.reduce((sum, { figures }) => sum + figures.bytes, 0);
  const tookMs = Math.max(...ended.map(({ atMs }) => atMs)) - fromMs;
  return tookMs / ((bytes / carried.reduce((sum, { rateBps }) => sum + rateBps, 0)) * 1000);
}

const GIGABITS = ['a', 'b'].map((provider) => ({ provider, rateBps: 1.25e8 }));

describe('60 VMs of 4 GiB leave a site', () => {
  test('over 2 × 1 Gbit/s in 1.1 times what their bytes take', () => {
    expect(drained(GIGABITS)).toBeLessThan(1.1);
  });

  test('hardly less well over paths that carry less than their sites say', () => {
    expect(drained(GIGABITS.map(({ provider }) => ({ provider, rateBps: 7e7 })))).toBeLessThan(1.15);
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

test('a VM waits for no turn once it is retired', () => {
  const l = line(3);
  l.vm('first', 's0', { ...CALM, ramBytes: 2e10 });
  l.order('first', 's2');
  drawn(l, 'v', 1, 1);
  live(l, 60);
  const { waiting } = l.world.placement.traffic;
  expect([...waiting.keys()]).toEqual(['v']);
  l.world.tell({ type: 'vm.retired.v1', data: { vm: 'v', atMs: Math.round(l.clock.now()) } });
  expect(waiting.size).toBe(0);
});

test('a VM that may go nowhere does not hold up the others of a site that drains', () => {
  const l = line(3, configWith({ limits: { movesPerSite: 1 } }));
  l.vm('stuck', 's0', SPEC, { allowed: ['elsewhere'] });
  for (const vm of ['v', 'w', 'x']) l.vm(vm, 's0');
  l.pass(1000);
  l.site(0, { draining: true });
  l.pass(600_000);
  const orders = l.decided('move').map(({ atMs }) => atMs);
  const ends = l.ended().map(({ atMs }) => atMs);
  expect(ends).toHaveLength(3);
  expect(orders.slice(1), 'each at the end of the one before').toEqual(ends.slice(0, -1));
});
