/**
 * Runs one policy over one trace under a virtual clock. Policy, migrator and the model of the hypervisor are those of the live
 * system. A run has no bus and does not wait. The same input has the same result, byte for byte.
 */
import { PersonalVms } from '#services/replay/personal-vms.ts';
import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { leadsFirst } from '#shared/config/relations.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Fact } from '#shared/events/index.ts';
import { positionFault } from '#shared/geo/plausibility.ts';
import type { Placement } from '#shared/policy/placement.ts';
import type { AnyPolicy } from '#shared/policy/rules/named.ts';
import type { Forecast } from '#shared/policy/state/forecast.ts';
import type { Session, Vm } from '#shared/policy/state/state.ts';
import { sessionOf } from '#shared/policy/state/vm-table.ts';
import type { Watcher } from './report-data/watcher.ts';
import type { ScenarioVm } from './scenarios/scenario.ts';
import { type Account, Serving } from './serving.ts';
import { type MigrationFigures, Tally } from './tally.ts';
import { createWorld, type World } from './world.ts';

export interface RunInput {
  readonly config: Config;
  readonly sites: readonly SiteSpec[];
  /** Positions in the order of the trace. A position older than the one before it does not turn back the clock. */
  readonly batches: AsyncIterable<readonly Fix[]> | Iterable<readonly Fix[]>;
  /** The VMs, declared at the start. Without them, each user gets a VM near the user's first position. */
  readonly vms?: Iterable<ScenarioVm>;
  /** Called for every decision and every migration event, in order. */
  readonly observe?: (fact: Fact) => void;
  /** Gathers data for reports. It does not influence the run. */
  readonly watcher?: Watcher;
  /** Replaces the policy that the configuration names. */
  readonly policyOverride?: AnyPolicy;
  /** The forecast of stays that the run goes on to teach; for a policy that reads it. */
  readonly forecast?: Forecast;
  /** Called for each position that counted, after the session of the VM's user has received it. */
  readonly onPosition?: (vm: Vm, user: string, atMs: number) => void;
}

/** The result of one run, or a lower bound in the same form. */
export interface RunResult {
  readonly policy: string;
  /** Set if this is a lower bound and no run. Of `migrations`, only `completed` is meaningful then. */
  readonly isBound?: true;
  readonly fromMs: number;
  readonly toMs: number;
  readonly users: number;
  readonly vms: number;
  readonly sites: number;
  /** The number of location events, by outcome. `unattached`: the user has no VM, because no site had room. */
  readonly locations: Record<string, number>;
  /** The number of decisions, by verdict and reason. */
  readonly decisions: Record<string, number>;
  readonly migrations: MigrationFigures;
  readonly cost: {
    readonly servingUserMs: number;
    readonly movingUserMs: number;
    readonly totalUserMs: number;
    /** The time that users were present, times their weight. */
    readonly userHours: number;
    /** `totalUserMs` ÷ that of the optimum; only if the optimum is among the compared policies. */
    readonly timesOptimum?: number;
    /** Mean of the round-trip time above the target, over the time that users were present. */
    readonly meanExcessRttMs: number;
  };
}

/**
 * Runs a policy over a trace.
 * @throws TagalongError TRACE_ROW_INVALID or TRACE_UNREADABLE from the trace, POLICY_UNKNOWN
 */
export async function run({
  config,
  sites,
  batches,
  vms,
  observe,
  policyOverride,
  onPosition,
  forecast,
  watcher,
}: RunInput): Promise<RunResult> {
  const clock = virtualClock(0);
  const tally = new Tally(config.policy, (vm) => weightOf(world.placement.vms.get(vm)));
  const world = createWorld({
    config,
    clock,
    explains: observe !== undefined,
    ...(policyOverride && { policyOverride }),
    ...(forecast && { forecast }),
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
    for (const vm of leadsFirst(vms ?? [])) users.declare(vm, atMs);
  };
  // The hot path, called for each position: it does not await anything, and uses no iterators, because these allocate.
  const locate = (fix: Fix) => {
    const { atMs, user } = fix;
    if (atMs > clock.now()) clock.advanceTo(atMs);
    const attachments = users.attachmentsOf(fix);
    for (let i = 0; i < attachments.length; i++) {
      const { vm, session, account } = attachments[i]!;
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
    for (let i = 0; i < batch.length; i++) locate(batch[i]!);
  }
  const toMs = Math.round(clock.now());
  // Run the callbacks that are due at the last instant. After that, order no move any more, and let the moves under way finish, so
  // that the result counts every accepted move with its outcome.
  clock.advanceTo(clock.now());
  watcher?.end(toMs);
  world.stopOrdering();
  while (world.migrations.live.size > 0 && clock.step(Number.POSITIVE_INFINITY));
  return resultOf({ placement, serving, tally, users, sites: sites.length, fromMs: fromMs ?? 0, toMs });
}

/** The result of a run that has ended. */
function resultOf({
  placement,
  serving,
  tally,
  users,
  sites,
  fromMs,
  toMs,
}: {
  readonly placement: Placement;
  readonly serving: Serving;
  readonly tally: Tally;
  readonly users: Users;
  /** The number of declared sites. */
  readonly sites: number;
  readonly fromMs: number;
  readonly toMs: number;
}): RunResult {
  const { userMs: servingUserMs, weightedMs } = serving.totals;
  return {
    policy: placement.policy.name,
    fromMs,
    toMs,
    users: users.size,
    vms: placement.vms.size,
    sites,
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

/** A user's attachment to a VM, with the objects that each position needs. */
interface Attachment {
  readonly vm: Vm;
  readonly session: Session;
  readonly account: Account;
}

const NONE: readonly Attachment[] = [];

/** The attachments of all users. A simulation detaches no user and retires no VM. */
class Users {
  /** The number of positions of users without a VM, by reason. */
  readonly refused = new Map<string, number>();
  readonly #world: World;
  readonly #serving: Serving;
  readonly #personal: PersonalVms | undefined;
  readonly #attachments = new Map<string, Attachment[]>();

  constructor(world: World, serving: Serving, personal: PersonalVms | undefined) {
    this.#world = world;
    this.#serving = serving;
    this.#personal = personal;
  }

  get size(): number {
    return this.#attachments.size;
  }

  /** Declares a VM and attaches its users. */
  declare({ vm: id, home, spec, affinity, sessions }: ScenarioVm, atMs: number): void {
    this.#world.tell({ type: 'vm.declared.v1', data: { vm: id, atMs, home, spec, ...(affinity && { affinity }) } });
    for (const { user, weight } of sessions) {
      this.#world.tell({ type: 'session.attached.v1', data: { vm: id, user, atMs, weight } });
      const vm = this.#world.placement.vms.get(id)!;
      const attachment = { vm, session: sessionOf(vm, user)!, account: this.#serving.accountOf(vm) };
      const others = this.#attachments.get(user);
      if (others === undefined) this.#attachments.set(user, [attachment]);
      else others.push(attachment);
    }
  }

  /** The attachments of the user of this position. In a run with personal VMs, a new user gets a VM first. */
  attachmentsOf(fix: Fix): readonly Attachment[] {
    const known = this.#attachments.get(fix.user);
    if (known !== undefined) return known;
    const enrolled = this.#personal?.enrol(fix);
    if (enrolled !== undefined) {
      this.declare({ ...enrolled, sessions: [{ user: fix.user, weight: 1 }] }, fix.atMs);
      return this.#attachments.get(fix.user)!;
    }
    const reason = positionFault(fix) ?? 'unattached';
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
    return NONE;
  }
}

/** The sum of the weights of the active users of a VM. */
export function weightOf(vm: Vm | undefined): number {
  return vm?.sessions.reduce((sum, { active, weight }) => (active ? sum + weight : sum), 0) ?? 0;
}
