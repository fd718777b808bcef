/**
 * Runs one policy over one trace under a virtual clock. The policy, the migrator and the hypervisor's model are the
 * ones that run live; only the bus and the waiting are left out. Same input, same result, byte for byte.
 */
import { PersonalVms } from '#services/replay/personal-vms.ts';
import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Fact } from '#shared/events/index.ts';
import { positionFault } from '#shared/geo/plausibility.ts';
import type { AnyPolicy } from '#shared/policy/rules/named.ts';
import type { Session, Vm } from '#shared/policy/state/state.ts';
import { sessionOf } from '#shared/policy/state/vm-table.ts';
import type { Watcher } from './picture/watcher.ts';
import type { ScenarioVm } from './scenarios/scenario.ts';
import { type Account, Serving } from './serving.ts';
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
  readonly policyOverride?: AnyPolicy;
  /** Called for each position that counted, after the session of the VM's user has received it. */
  readonly onPosition?: (vm: Vm, user: string, atMs: number) => void;
}

export interface RunResult {
  readonly policy: string;
  /** Set if this is a lower bound, not a run: then only `completed` of `migrations` is meaningful. */
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
  policyOverride,
  onPosition,
  watcher,
}: RunInput): Promise<RunResult> {
  const clock = virtualClock(0);
  const tally = new Tally(config.policy, (vm) => weightOf(world.placement.vms.get(vm)));
  const world = createWorld({
    config,
    clock,
    explains: observe !== undefined,
    ...(policyOverride && { policyOverride }),
    observe(fact) {
      tally.observe(fact);
      if (fact.type === 'migration.switched.v1') {
        const { vm, to, atMs } = fact.data;
        serving.switched(placement.vms.get(vm)!, placement.sites.known(to), atMs);
      }
      observe?.(fact);
      watcher?.fact(fact);
    },
  });
  const { placement } = world;
  const serving = new Serving({
    sites: placement.sites,
    network: config.network,
    silentMs: config.policy.sessionTimeoutMs,
    lateMs: config.ingest.plausibility.maxAgeMs,
    watcher,
  });
  const users = new Users(world, serving, vms === undefined ? new PersonalVms(sites) : undefined);

  const begin = (atMs: number) => {
    clock.advanceTo(atMs);
    watcher?.begin(placement, atMs);
    for (const site of sites) world.declareSite(site);
    for (const vm of vms ?? []) users.declare(vm, atMs);
  };
  // For each position: not async itself, and without iterators, which are objects until the compiler has done its best.
  const take = (fix: Fix) => {
    const { atMs, user } = fix;
    if (atMs > clock.now()) clock.advanceTo(atMs);
    const served = users.servedOf(fix);
    for (let i = 0; i < served.length; i++) {
      const { vm, session, account } = served[i]!;
      if (!world.locateAt(vm, session, fix)) continue;
      serving.located(account, session);
      watcher?.located(fix);
      onPosition?.(vm, user, atMs);
    }
  };

  let fromMs: number | undefined;
  for await (const batch of batches) {
    if (fromMs === undefined && batch.length > 0) {
      fromMs = batch[0]!.atMs;
      begin(fromMs);
    }
    for (let i = 0; i < batch.length; i++) take(batch[i]!);
  }
  const toMs = Math.round(clock.now());
  // The callbacks that are due at this instant are still carried out. After that no move is ordered any more, and the moves under
  // way are brought to their end, so that every accepted move is counted with its outcome.
  clock.advanceTo(clock.now());
  watcher?.end(toMs);
  world.stopOrdering();
  while (world.migrations.live.size > 0 && clock.step(Number.POSITIVE_INFINITY));
  const { userMs: servingUserMs, weightedMs } = serving.totals;
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
      servingUserMs,
      movingUserMs: tally.movingUserMs,
      totalUserMs: servingUserMs + tally.movingUserMs,
      userHours: weightedMs / 3_600_000,
      meanExcessRttMs: weightedMs === 0 ? 0 : servingUserMs / (weightedMs / 1000),
    },
  };
}

/** A VM that a user is attached to, with what is looked up of it for each position. */
interface Served {
  readonly vm: Vm;
  readonly session: Session;
  readonly account: Account;
}

const NONE: readonly Served[] = [];

/** The VMs that each user's positions concern. A simulation detaches no user and retires no VM. */
class Users {
  /** Positions of users without a VM, by reason. */
  readonly refused = new Map<string, number>();
  readonly #world: World;
  readonly #serving: Serving;
  readonly #personal: PersonalVms | undefined;
  readonly #served = new Map<string, Served[]>();

  constructor(world: World, serving: Serving, personal: PersonalVms | undefined) {
    this.#world = world;
    this.#serving = serving;
    this.#personal = personal;
  }

  get size(): number {
    return this.#served.size;
  }

  declare({ vm: id, home, spec, sessions }: ScenarioVm, atMs: number): void {
    this.#world.tell({ type: 'vm.declared.v1', data: { vm: id, atMs, home, spec } });
    for (const { user, weight } of sessions) {
      this.#world.tell({ type: 'session.attached.v1', data: { vm: id, user, atMs, weight } });
      const vm = this.#world.placement.vms.get(id)!;
      const served = { vm, session: sessionOf(vm, user)!, account: this.#serving.accountOf(vm) };
      const others = this.#served.get(user);
      if (others === undefined) this.#served.set(user, [served]);
      else others.push(served);
    }
  }

  /** The VMs of the user of this position; a new user gets one where each user has a VM of their own. */
  servedOf(fix: Fix): readonly Served[] {
    const known = this.#served.get(fix.user);
    if (known !== undefined) return known;
    const enrolled = this.#personal?.enrol(fix);
    if (enrolled !== undefined) {
      this.declare({ ...enrolled, sessions: [{ user: fix.user, weight: 1 }] }, fix.atMs);
      return this.#served.get(fix.user)!;
    }
    const why = positionFault(fix) ?? 'unattached';
    this.refused.set(why, (this.refused.get(why) ?? 0) + 1);
    return NONE;
  }
}

/** The weight of the users that a VM serves now. */
export function weightOf(vm: Vm | undefined): number {
  return vm?.sessions.reduce((sum, { active, weight }) => (active ? sum + weight : sum), 0) ?? 0;
}
