/**
 * Runs one policy over one trace under a virtual clock. The policy, the migrator and the hypervisor's model are the
 * ones that run live; only the bus and the waiting are left out. Same input, same result, byte for byte.
 */
import { PersonalVms } from '#services/ingest/personal-vms.ts';
import type { SiteSpec } from '#services/ingest/sites.ts';
import type { Fix } from '#services/ingest/traces/trace.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Data, Fact } from '#shared/events/index.ts';
import { positionFault } from '#shared/geo/plausibility.ts';
import type { AnyPolicy } from '#shared/policy/named.ts';
import type { Vm } from '#shared/policy/vm.ts';
import type { Watcher } from './picture/watcher.ts';
import type { ScenarioVm } from './scenarios/scenario.ts';
import { Serving } from './serving.ts';
import { type MigrationFigures, Tally } from './tally.ts';
import { createWorld, type World } from './world.ts';

export interface RunInput {
  readonly config: Config;
  readonly sites: readonly SiteSpec[];
  /** Positions, ascending by time as far as the trace is. */
  readonly batches: AsyncIterable<readonly Fix[]> | Iterable<readonly Fix[]>;
  /** Declared at the start; left out: each user gets a VM of their own where they are first seen. */
  readonly vms?: readonly ScenarioVm[];
  /** Sees every decision and every migration event, in order. */
  readonly observe?: (fact: Fact) => void;
  /** Sees more than that; changes nothing. */
  readonly watcher?: Watcher;
  /** Decides in the place of the policy that the configuration names. */
  readonly decides?: AnyPolicy;
  /** Sees every position that counted, of one of the VM's users. */
  readonly note?: (vm: Vm, user: string, atMs: number) => void;
}

export interface RunResult {
  readonly policy: string;
  /** Set where this is no run but the least that any could cost: then of `migrations` only `completed` says something. */
  readonly isBound?: true;
  readonly fromMs: number;
  readonly toMs: number;
  readonly users: number;
  readonly vms: number;
  readonly sites: number;
  /** Location events by what became of them; `unattached`: the user has no VM, because no site had room. */
  readonly locations: Record<string, number>;
  readonly decisions: Record<string, number>;
  readonly migrations: MigrationFigures;
  readonly cost: {
    /** All in user-milliseconds. */
    readonly servingUserMs: number;
    readonly movingUserMs: number;
    readonly totalUserMs: number;
    readonly userHours: number;
    /** `totalUserMs` ÷ that of the optimum, where it is among the policies that are compared. */
    readonly timesOptimum?: number;
    /** Mean round-trip time above the target, over the users' time. */
    readonly meanExcessRttMs: number;
  };
}

/** @throws TagalongError TRACE_ROW_INVALID or TRACE_UNREADABLE from the trace, POLICY_UNKNOWN */
export async function run({
  config,
  sites,
  batches,
  vms,
  observe,
  decides,
  note,
  watcher,
}: RunInput): Promise<RunResult> {
  const clock = virtualClock(0);
  const tally = new Tally(config.policy, (vm) => weightOf(world.placement.vms.get(vm)));
  /** Of VMs whose users are served from elsewhere now. */
  const switched: Data<'migration.switched.v1'>[] = [];
  const world = createWorld({
    config,
    clock,
    explains: observe !== undefined,
    ...(decides && { decides }),
    observe(fact) {
      tally.observe(fact);
      if (fact.type === 'migration.switched.v1') switched.push(fact.data);
      observe?.(fact);
      watcher?.fact(fact);
    },
  });
  const { placement } = world;
  const onLeg = watcher?.served.bind(watcher);
  const serving = new Serving(placement.sites, config.network, config.policy.sessionTimeoutMs, onLeg);
  const users = new Users(world, vms === undefined ? new PersonalVms(sites) : undefined);
  const turnSwitched = () => {
    for (const data of switched.splice(0)) {
      serving.turn(placement.vms.get(data.vm), Math.round(clock.now()));
      watcher?.switched(data);
    }
  };

  let fromMs: number | undefined;
  const fix = { vm: '', user: '', atMs: 0, lat: 0, lon: 0 };
  for await (const batch of batches) {
    for (const { user, atMs, lat, lon } of batch) {
      if (fromMs === undefined) {
        fromMs = atMs;
        clock.advanceTo(atMs);
        watcher?.begin(placement, atMs);
        for (const site of sites) world.declareSite(site);
        for (const vm of vms ?? []) users.declare(vm, atMs);
      }
      if (atMs > clock.now()) {
        clock.advanceTo(atMs);
        if (switched.length > 0) turnSwitched();
      }
      fix.user = user;
      fix.atMs = atMs;
      fix.lat = lat;
      fix.lon = lon;
      for (const vm of users.vmsOf(fix)) {
        fix.vm = vm;
        if (!world.locate(fix)) continue;
        serving.turn(placement.vms.get(vm), atMs);
        watcher?.located(fix);
        note?.(placement.vms.get(vm)!, user, atMs);
      }
    }
  }
  const toMs = Math.round(clock.now());
  watcher?.end(toMs);
  // What is under way is brought to its end, so that every accepted move is counted with its outcome.
  while (world.migrations.live.size > 0 && clock.step(Number.POSITIVE_INFINITY)) turnSwitched();
  return {
    policy: placement.policy.name,
    fromMs: fromMs ?? 0,
    toMs,
    users: users.size,
    vms: placement.vms.size,
    sites: sites.length,
    locations: Object.fromEntries([...users.refused, ...placement.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    decisions: tally.decisions,
    migrations: tally.migrations,
    cost: {
      servingUserMs: serving.totals.userMs,
      movingUserMs: tally.movingUserMs,
      totalUserMs: serving.totals.userMs + tally.movingUserMs,
      userHours: serving.totals.userS / 3600,
      meanExcessRttMs: serving.totals.userS === 0 ? 0 : serving.totals.userMs / serving.totals.userS,
    },
  };
}

/** Which VMs a user's positions concern. */
class Users {
  /** Positions of users who have no VM, by why. */
  readonly refused = new Map<string, number>();
  readonly #world: World;
  readonly #personal: PersonalVms | undefined;
  readonly #vms = new Map<string, string[]>();

  constructor(world: World, personal: PersonalVms | undefined) {
    this.#world = world;
    this.#personal = personal;
  }

  get size(): number {
    return this.#vms.size;
  }

  declare({ vm, home, spec, sessions }: ScenarioVm, atMs: number): void {
    this.#world.tell({ type: 'vm.declared.v1', data: { vm, atMs, home, spec } });
    for (const { user, weight } of sessions) {
      this.#world.tell({ type: 'session.attached.v1', data: { vm, user, atMs, weight } });
      this.#vms.set(user, [...(this.#vms.get(user) ?? []), vm]);
    }
  }

  /** The VMs of the user of this position; one who is new gets one, where VMs are given to users. */
  vmsOf(fix: Fix): readonly string[] {
    const known = this.#vms.get(fix.user);
    if (known !== undefined) return known;
    const enrolled = this.#personal?.enrol(fix);
    if (enrolled !== undefined) {
      this.declare({ ...enrolled, sessions: [{ user: fix.user, weight: 1 }] }, fix.atMs);
      return this.#vms.get(fix.user)!;
    }
    const why = positionFault(fix) ?? 'unattached';
    this.refused.set(why, (this.refused.get(why) ?? 0) + 1);
    return [];
  }
}

/** The weight of the users that a VM serves now. */
export function weightOf(vm: Vm | undefined): number {
  return vm?.sessions.reduce((sum, { active, weight }) => (active ? sum + weight : sum), 0) ?? 0;
}
