/**
 * The policy's core: facts in, decisions out. Pure: no bus, no clock, no store. The live service, replays and simulations run this
 * same class, so they come to the same decisions.
 *
 * A location event passes plausibility, the user's session and the quiet radius. Most events end there. An event that can change
 * something leads to an evaluation of the VM (`evaluate/evaluator.ts`), whose result goes to the VM's machine (`decide/machine.ts`).
 */
import type { Core } from '../core.ts';
import type { Data, Fact, FactOf } from '../events/index.ts';
import { notAhead } from '../events/not-ahead.ts';
import { advanceTrack, checkPosition, checkTrack } from '../geo/plausibility.ts';
import { contradicts } from '../migration/ordered-moves.ts';
import { explained, refusedBy, refuseUnmovable } from './decide/decision.ts';
import { applyMigrationFact, type MigrationFact, machineEvent } from './decide/migration-facts.ts';
import { type LocationOutcome, Outcomes } from './decide/outcomes.ts';
import type { Explained } from './decide/words.ts';
import { Decider } from './decider.ts';
import { VmEvaluator } from './evaluate/evaluator.ts';
import { HomeWatch } from './home-watch.ts';
import { CollectedOutput, type PlacementOutput } from './output.ts';
import { Relations } from './relations.ts';
import { type AnyPolicy, boundsOf, policyFor } from './rules/named.ts';
import type { PlacementSettings } from './settings.ts';
import { EndedStays } from './state/ended-stays.ts';
import { Forecast } from './state/forecast.ts';
import { updateMotion } from './state/motion.ts';
import { saysMore, updateReporting } from './state/presence.ts';
import { updateRtts } from './state/rtts.ts';
import { SiteTable } from './state/sites.ts';
import type { Session, Vm } from './state/state.ts';
import { Traffic } from './state/traffic.ts';
import { forgetPast } from './state/vm.ts';
import { sessionOf, VmTable } from './state/vm-table.ts';

/** The members of a location event that describe the position of the user. */
export type Position = Pick<Data<'location.reported.v1'>, 'atMs' | 'lat' | 'lon' | 'rtts' | 'presence'>;

/** Owns the VMs of its partitions, all sites, and the policy. Not reentrant; times are whole ms since the epoch. */
export class Placement implements Core<PlacementOutput> {
  readonly sites: SiteTable;
  /** All moves under way. The caller adds those of other processes. */
  readonly traffic: Traffic;
  readonly policy: AnyPolicy;
  /** True: no VM moves to a better site. Evacuations and operators' orders continue. */
  paused = false;
  /** Who paused them, or resumed them. */
  pausedBy: string | undefined;
  /** The forecast of stays at each site, learned from all users. */
  readonly forecast: Forecast;
  readonly #ended = new EndedStays();
  readonly #settings: PlacementSettings;
  readonly #evaluator: VmEvaluator;
  readonly #vmTable: VmTable;
  readonly #relations: Relations;
  readonly #decider: Decider;
  readonly #homeWatch: HomeWatch;
  readonly #outcomes = new Outcomes();
  readonly #output = new CollectedOutput();
  /** Number of migration events ignored since the start because no decision of this core ordered the migration, or ordered it so. */
  neverOrdered = 0;

  /** @param override the policy to use instead of the one that the settings name */
  constructor(settings: PlacementSettings, override?: AnyPolicy, forecast = new Forecast()) {
    this.forecast = forecast;
    const { policy, network, limits } = settings;
    this.#settings = settings;
    this.policy = override ?? policyFor(policy.name, policy, network);
    this.sites = new SiteTable(network);
    this.#vmTable = new VmTable(this.sites, policy.priorStayMs);
    this.#relations = new Relations(this.#vmTable.vms);
    this.traffic = new Traffic(this.sites, settings.move, {
      shared: (decision) => this.#onShared(decision),
      freed: (vms, atMs) => this.#decider.hasten(vms, atMs),
    });
    const bounds = boundsOf(this.policy, policy);
    const { traffic, sites } = this;
    const { peers } = this.#relations;
    const filterSettings = { ...policy, ...bounds, sites, peers, limits, isPaused: () => this.paused };
    const stays = { forecast, ended: this.#ended };
    this.#evaluator = new VmEvaluator(traffic, settings, this.policy, filterSettings, stays);
    this.#decider = new Decider({
      ...{ settings, policy: this.policy, evaluator: this.#evaluator, traffic, vms: this.vms, output: this.#output },
      relations: this.#relations,
    });
    this.#homeWatch = new HomeWatch({
      ...{ sites, vms: this.vms, traffic, decider: this.#decider, relations: this.#relations, limits },
      siteSilentMs: policy.siteSilentMs,
    });
  }

  get vms(): ReadonlyMap<string, Vm> {
    return this.#vmTable.vms;
  }

  /** Everything that changed since the last call. A VM with a new decision is always among the changed VMs. */
  drain(): PlacementOutput {
    return this.#output.drain(this.#ended.take());
  }

  /** When `advance` has to be called next, in ms since the epoch; undefined: not before the next fact. */
  nextWakeMs(): number | undefined {
    const { agenda } = this.#decider;
    const agendaMs = agenda.nextMs() ?? Number.POSITIVE_INFINITY;
    const wakeMs = Math.min(agendaMs, this.#homeWatch.nextCheckMs, this.#ended.closesAtMs);
    return wakeMs === Number.POSITIVE_INFINITY ? undefined : wakeMs;
  }

  /** Advances the time: evaluates each VM whose deadline has passed, as of its deadline, in order of deadlines. */
  advance(nowMs: number): void {
    this.#ended.advance(nowMs);
    this.#homeWatch.advance(nowMs);
    const { agenda } = this.#decider;
    for (let vm = agenda.take(nowMs); vm !== undefined; vm = agenda.take(nowMs)) this.#decider.wake(vm);
  }

  /** Applies a fact of any type. @param nowMs the clock, which detects times in the future */
  apply(received: Fact, nowMs: number): void {
    if (received.type === 'location.reported.v1') return void this.location(received.data, nowMs);
    this.#ended.advance(nowMs);
    const fact = notAhead(received, nowMs);
    if (fact.type === 'stays.counted.v1') this.forecast.add(fact.data, nowMs);
    if (fact.type === 'site.reported.v1') this.#homeWatch.onReported(fact.data);
    if (fact.type === 'site.removed.v1') this.#homeWatch.onRemoved(fact.data);
    switch (fact.type) {
      case 'session.attached.v1':
      case 'session.detached.v1':
      case 'vm.declared.v1':
      case 'vm.retired.v1':
        this.#onEnrolment(fact);
        return;
      case 'user.erased.v1':
        this.#onErased(fact.data);
        return;
      case 'migration.progressed.v1':
        this.traffic.note(fact, nowMs);
        return;
      case 'migration.accepted.v1':
      case 'migration.switched.v1':
      case 'migration.completed.v1':
      case 'migration.failed.v1':
      case 'migration.cancelled.v1':
        this.#onMigration(fact, nowMs);
    }
  }

  /** Number of location events by outcome. */
  get counts(): Map<LocationOutcome, number> {
    return this.#outcomes.counts;
  }

  /** Applies a position of one user of one VM. */
  location(fix: Data<'location.reported.v1'>, nowMs: number): LocationOutcome {
    const vm = this.#vmTable.vms.get(fix.vm);
    const session = vm && sessionOf(vm, fix.user);
    if (session) return this.locate(vm, session, fix, nowMs);
    return this.#outcomes.count(vm ? 'unattached' : 'unknown-vm');
  }

  /** The hot path: as `location`, for a caller that has the VM and its session. A position ahead of the clock counts as of now. */
  locate(vm: Vm, session: Session, fix: Position, nowMs: number): LocationOutcome {
    return this.#outcomes.count(this.#locate(vm, session, fix, nowMs));
  }

  #locate(vm: Vm, session: Session, received: Position, nowMs: number): LocationOutcome {
    this.#ended.advance(nowMs);
    const fix = received.atMs > nowMs ? { ...received, atMs: nowMs } : received;
    const { plausibility } = this.#settings;
    const fault = checkPosition(received, nowMs, plausibility) ?? checkTrack(session.track, fix, plausibility);
    if (fault === 'duplicate' && saysMore(session, fix.presence)) {
      this.#decider.evaluate(vm, fix.atMs);
      return 'looked';
    }
    if (fault !== undefined) {
      // `checkTrack` has counted the contradiction: after a few that agree, the new positions replace the track.
      if (fault === 'teleport') this.#output.change(vm);
      return fault;
    }
    // A deadline before this event is handled first, with the state of that time, even if the timer is late.
    if (vm.wakeAtMs <= fix.atMs) this.#decider.wake(vm);
    const saysOther = updateReporting(session, fix, this.#settings.policy.sessionTimeoutMs);
    advanceTrack(session.track, fix);
    const turned = updateMotion(session.motion, fix) || saysOther;
    if (fix.atMs > vm.nowMs) vm.nowMs = fix.atMs;
    if (fix.rtts) session.rtts = updateRtts(session.rtts, fix.rtts, fix.atMs, this.sites);
    this.#output.change(vm);
    if (!turned && session.active && fix.rtts === undefined && this.#evaluator.isQuiet(vm, session)) return 'quiet';
    this.#decider.evaluate(vm, fix.atMs);
    return 'looked';
  }

  /**
   * Carries out an operator's order to move a VM. The next `drain` has the decision.
   * @param orderedBy the operator's name
   * @throws TagalongError VM_UNKNOWN, SITE_UNKNOWN, or MOVE_REFUSED with the filter that refuses it
   */
  order(vmId: string, siteId: string, nowMs: number, orderedBy?: string): void {
    const vm = this.#vmTable.known(vmId);
    const site = this.sites.known(siteId);
    refuseUnmovable(vm, siteId);
    const { choice, rejected } = this.#evaluator.order(vm, site, nowMs);
    if (rejected !== undefined) throw refusedBy(rejected, vmId, siteId);
    vm.nowMs = Math.max(vm.nowMs, nowMs);
    this.#decider.send(vm, { type: 'ordered', atMs: vm.nowMs, choice }, orderedBy);
    vm.reason = choice.reason;
    this.#decider.schedule(vm);
    this.#decider.evaluateRelated();
  }

  /** Pauses moves to better sites, or resumes them; on resuming every VM is evaluated. @param by who ordered it */
  pause(paused: boolean, nowMs: number, by?: string): void {
    const resumes = this.paused && !paused;
    this.paused = paused;
    this.pausedBy = by;
    if (resumes) this.#decider.evaluateAll(this.#vmTable.vms.values(), nowMs);
  }

  /**
   * Explains why the VM is where it is: every candidate with its cost, its prediction, and the filter that refuses it. Changes
   * nothing.
   * @throws TagalongError VM_UNKNOWN
   */
  explain(vmId: string, nowMs: number): Explained {
    const vm = this.#vmTable.known(vmId);
    return explained(vm, this.#decider.explanation(vm, Math.max(vm.nowMs, nowMs), vm.reason));
  }

  /** Restores a stored VM, before any event of it. */
  restore(vm: Vm): void {
    this.#vmTable.add(vm);
    this.#relations.peers.update(vm.id);
    const { move } = vm.context;
    // In records of older versions a retired VM may have a move.
    if (move && !vm.retired) this.traffic.add({ ...move, vm: vm.id, spec: vm.spec });
    this.#decider.agenda.restore(vm);
    this.#ended.restore(vm);
  }

  /** Drops a VM as if it had never been restored, because its new record could not be written. */
  forget(vmId: string): void {
    const vm = this.#vmTable.forget(vmId);
    this.#relations.peers.update(vmId);
    if (vm !== undefined) this.#drop(vm);
  }

  /** Call after a restart, once sites and VMs are restored: evaluates VMs whose home began to drain, or whose relatives changed, meanwhile. */
  resume(nowMs: number): void {
    this.#homeWatch.resume(nowMs);
  }

  #onEnrolment(fact: FactOf<'session.attached.v1' | 'session.detached.v1' | 'vm.declared.v1' | 'vm.retired.v1'>): void {
    const vm = this.#vmTable.apply(fact);
    if (vm === undefined) return;
    this.#output.change(vm);
    if (fact.type === 'vm.declared.v1' || fact.type === 'vm.retired.v1') {
      this.#relations.redeclared(vm.id, fact.data.atMs);
    }
    if (vm.retired) this.#onRetired(vm);
    // A declaration may forbid the VM's present home.
    const isConfined = fact.type === 'vm.declared.v1' && vm.affinity !== null;
    if (isConfined || fact.type === 'session.detached.v1') this.#decider.evaluate(vm, fact.data.atMs);
    this.#decider.evaluateRelated();
  }

  #onErased({ user, atMs }: Data<'user.erased.v1'>): void {
    const { changed, left } = this.#vmTable.erase(user);
    for (const vm of changed) this.#output.change(vm);
    for (const vm of left) this.#decider.evaluate(vm, atMs);
    this.#decider.evaluateRelated();
  }

  /** Ends the life of a VM. Cancels an order that no migrator has accepted; an accepted move is ended by the migrator. */
  #onRetired(vm: Vm): void {
    const { context } = vm;
    const isUnanswered = context.move !== null && context.move.giveUpAtMs !== null;
    const seq = isUnanswered ? context.seq + 1 : context.seq;
    if (isUnanswered)
      this.#decider.decide(vm, { verdict: 'cancel', source: 'policy', reason: 'retired' }, seq, vm.nowMs);
    this.#drop(vm);
    vm.context = { ...context, seq, move: null, deadlineMs: null };
    vm.state = 'idle';
    forgetPast(vm, this.#settings.policy.priorStayMs);
    this.#vmTable.add(vm);
  }

  #drop(vm: Vm): void {
    this.#ended.forget(vm);
    this.traffic.waiting.delete(vm.id);
    if (vm.context.move) this.traffic.end(vm.context.move.decision, vm.nowMs);
    this.#decider.agenda.set(vm, Number.POSITIVE_INFINITY);
  }

  #onMigration(fact: MigrationFact, nowMs: number): void {
    const { vm: id, migration, from, atMs } = fact.data;
    const vm = this.#vmTable.vms.get(id);
    const move = vm?.context.move;
    const isUnderWay = move?.decision === migration;
    const isOrdered = isUnderWay
      ? !contradicts({ ...move, vm: id, atMs: move.orderedAtMs }, fact, nowMs)
      : this.#vmTable.hasDecided(id, migration);
    if (!isOrdered) this.neverOrdered++;
    if (!isOrdered || !isUnderWay || vm === undefined) return; // A repeat, or an event of a move that has ended.
    vm.nowMs = Math.max(vm.nowMs, atMs);
    const lesson = applyMigrationFact(fact, vm, { vmTable: this.#vmTable, sites: this.sites, traffic: this.traffic });
    if (lesson) this.#output.lessons.push(lesson);
    const event = machineEvent(fact, vm);
    this.#decider.send(vm, event);
    if (fact.type === 'migration.accepted.v1') return;
    vm.reason = `move-${event.type}`;
    this.#decider.schedule(vm);
    if (fact.type === 'migration.switched.v1') return;
    this.#relations.moved(id, atMs);
    this.#decider.evaluateRelated();
    this.#homeWatch.onMoveEnded(from, vm.nowMs);
  }

  /** Stores that a move shares its uplinks, if it is one of this process: it will teach nothing. */
  #onShared(decision: string): void {
    const vm = this.#vmTable.changeMove(decision, { shared: true });
    if (vm !== undefined) this.#output.change(vm);
  }
}
