/** Policy, migrator and simulated hypervisor under a virtual clock, with sites on a line, a hundred kilometres apart. */

import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Affinity, Data, Fact, VmSpec } from '#shared/events/index.ts';
import type { Faults } from '#shared/hypervisor/simulated/faults.ts';
import type { Uplink } from '#shared/model/paths.ts';
import { createWorld, type World } from '#simulations/world.ts';

export const START_MS = Date.UTC(2026, 2, 2, 12);
export const SPEC: VmSpec = {
  ramBytes: 1e9,
  dirtyRateBps: 5e6,
  workingSetBytes: 5e7,
  diskBytes: 0,
  downtimeLimitMs: 300,
  targetRttMs: 10,
};
/** A VM that writes nothing: its interruption does not depend on the rate. */
export const CALM = { ...SPEC, dirtyRateBps: 0 };
/** An idle VM without a disk. */
export const IDLE_SPEC: VmSpec = { ...CALM, workingSetBytes: 0 };
export const UPLINKS = [
  { provider: 'a', rateBps: 1e8 },
  { provider: 'b', rateBps: 6e7 },
];

export const positionAt = (place: number) => ({ lat: 40 + (place * 100) / 111.19, lon: -74 });

/** A configuration that accepts any speed, so that tests can put users anywhere at once. */
export const configWith = (part: Record<string, unknown> = {}): Config =>
  parseConfig(JSON.stringify({ ingest: { plausibility: { maxSpeedMps: 1e6 } }, ...part }), 'test');

export interface Line {
  readonly world: World;
  readonly clock: VirtualClock;
  readonly facts: Fact[];
  site(i: number, more?: Partial<Data<'site.reported.v1'>>): void;
  vm(vm: string, home: string, spec?: VmSpec, affinity?: Partial<Affinity>): void;
  attach(vm: string, user: string, weight?: number): void;
  fix(vm: string, user: string, place: number): void;
  /** Orders a move as an operator; the decision takes effect at once. */
  order(vm: string, to: string): void;
  pass(ms: number): void;
  stateOf(vm: string): string;
  homeOf(vm: string): string;
  decided(verdict?: 'move' | 'stay' | 'cancel'): Data<'placement.decided.v1'>[];
  ended(): Data<'migration.completed.v1'>[];
}

/** A world with the sites `s0`, `s1` and so on. */
export function line(sites: number, config = configWith(), faults?: Faults, explains = true): Line {
  const clock = virtualClock(START_MS);
  const facts: Fact[] = [];
  const world = createWorld({
    config,
    clock,
    explains,
    observe: (fact) => facts.push(fact),
    ...(faults && { faults }),
  });
  const now = () => Math.round(clock.now());
  const where = (i: number) => ({ site: `s${i}`, ...positionAt(i), slots: 10, uplinks: UPLINKS });
  for (let i = 0; i < sites; i++) world.declareSite(where(i));
  return {
    world,
    clock,
    facts,
    site: (i, more) =>
      world.tell({ type: 'site.reported.v1', data: { ...where(i), atMs: now(), vms: [], draining: false, ...more } }),
    vm: (vm, home, spec = SPEC, affinity) =>
      world.tell({
        type: 'vm.declared.v1',
        data: { vm, atMs: now(), home, spec, ...(affinity && { affinity: { preferenceUserMsPerS: 10, ...affinity } }) },
      }),
    attach: (vm, user, weight = 1) =>
      world.tell({ type: 'session.attached.v1', data: { vm, user, atMs: now(), weight } }),
    fix: (vm, user, place) => world.locate({ vm, user, atMs: now(), ...positionAt(place) }),
    order(vm, to) {
      world.placement.order(vm, to, now());
      // Any event makes the world deliver the decision.
      world.tell({ type: 'session.detached.v1', data: { vm, user: 'nobody', atMs: now() } });
    },
    pass: (ms) => clock.advanceTo(clock.now() + ms),
    stateOf: (vm) => world.placement.vms.get(vm)!.state,
    homeOf: (vm) => world.placement.vms.get(vm)!.home.id,
    decided: (verdict) =>
      facts.flatMap(({ type, data }) =>
        type === 'placement.decided.v1' && (verdict === undefined || data.verdict === verdict) ? [data] : [],
      ),
    ended: () => facts.flatMap(({ type, data }) => (type === 'migration.completed.v1' ? [data] : [])),
  };
}

/** Gives a site these uplinks: placement hears of it, and the hypervisor has them. */
export function uplinked(l: Line, site: number, uplinks: readonly Uplink[], more: object = {}): void {
  l.site(site, { uplinks: [...uplinks], ...more });
  l.world.hypervisor.declareSite({ site: `s${site}`, ...positionAt(site), uplinks });
}
