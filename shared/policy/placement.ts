/**
 * The policy's core: facts in, decisions out. Pure: no bus, no clock, no store. The live service, replays and simulations run this
 * same class, so they come to the same decisions.
 *
 * A location event passes plausibility, the user's session and the quiet radius. Most events end there. An event that can change
 * something leads to an evaluation of the VM (`evaluate/evaluator.ts`), whose result goes to the VM's machine (`decide/machine.ts`).
 */
import type { Core } from '../core.ts';
import type { Data, Explanation, Fact, FactOf } from '../events/index.ts';
import { notAhead } from '../events/not-ahead.ts';
import { advanceTrack, checkPosition, checkTrack } from '../geo/plausibility.ts';
import { type Stepper, stepper } from '../state-machine/stepper.ts';
import { Agenda } from '../time/agenda.ts';
import { decisionEvent, explained, explanation, refusedBy, refuseUnmovable, unexplained } from './decide/decision.ts';
import {
  type DecideParams,
  type MachineEvent,
  type VmMachine,
  vmMachine,
  wouldNotTransition,
} from './decide/machine.ts';
import { applyMigrationFact, endMove, type MigrationFact, machineEvent } from './decide/migration-facts.ts';
import { type LocationOutcome, Outcomes } from './decide/outcomes.ts';
import type { Explained } from './decide/words.ts';
import { reasonOf } from './evaluate/evaluation.ts';
import { VmEvaluator } from './evaluate/evaluator.ts';
import { isSilent, movesInLastHour } from './evaluate/filters.ts';
import { recheckAtMs, retryMs } from './evaluate/recheck.ts';
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
import type { Session, Site, Vm } from './state/state.ts';
import { dueMs, forgetPast, forgetPlaces, isAboutToEvacuate } from './state/vm.ts';
import { sessionOf, VmTable } from './state/vm-table.ts';

/** The members of a location event that describe the position of the user. */
export type Position = Pick<Data<'location.reported.v1'>, 'atMs' | 'lat' | 'lon' | 'rtts' | 'presence'>;

/** Owns the VMs of its partitions, all sites, and the policy. Not reentrant; times are whole ms since the epoch. */
export class Placement implements Core<PlacementOutput> {
  readonly sites: SiteTable;
  readonly policy: AnyPolicy;
  /** True: no VM moves to a better site. Evacuations and operators' orders continue. */
  paused = false;
  /** How long users stay where, learned from all of them. */
  readonly forecast: Forecast;
  readonly #ended = new EndedStays();
  readonly #settings: PlacementSettings;
  readonly #step: Stepper<VmMachine>;
  readonly #evaluator: VmEvaluator;
  readonly #vmTable: VmTable;
  readonly #relations: Relations;
  readonly #agenda = new Agenda<Vm>();
  readonly #outcomes = new Outcomes();
  readonly #output = new CollectedOutput();
  #nextSiteCheckMs = 0;
  /** Number of migration events ignored since the start because no decision of this core ordered the migration. */
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
    const bounds = boundsOf(this.policy, policy);
    this.#step = stepper(vmMachine({ ...policy, ...bounds }));
    const { sites } = this;
    const { peers } = this.#relations;
    const filterSettings = { ...policy, ...bounds, sites, peers, limits, isPaused: () => this.paused };
    const stays = { forecast, ended: this.#ended };
    this.#evaluator = new VmEvaluator(sites, settings, this.policy, filterSettings, stays);
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
    const checks = Number.isFinite(this.#settings.policy.siteSilentMs) && this.sites.list.length > 0;
    const siteCheckMs = checks ? this.#nextSiteCheckMs : Number.POSITIVE_INFINITY;
    const wakeMs = Math.min(this.#agenda.nextMs() ?? Number.POSITIVE_INFINITY, siteCheckMs, this.#ended.closesAtMs);
    return wakeMs === Number.POSITIVE_INFINITY ? undefined : wakeMs;
  }

  /** Advances the time: evaluates each VM whose deadline has passed, as of its deadline, in order of deadlines. */
  advance(nowMs: number): void {
    this.#ended.advance(nowMs);
    if (nowMs >= this.#nextSiteCheckMs) this.#checkSites(nowMs);
    for (let vm = this.#agenda.take(nowMs); vm !== undefined; vm = this.#agenda.take(nowMs)) this.#wake(vm);
  }

  /** Applies a fact of any type. @param nowMs the clock, which detects times in the future */
  apply(received: Fact, nowMs: number): void {
    if (received.type === 'location.reported.v1') return void this.location(received.data, nowMs);
    this.#ended.advance(nowMs);
    const fact = notAhead(received, nowMs);
    if (fact.type === 'stays.counted.v1') this.forecast.add(fact.data, nowMs);
    if (fact.type === 'site.reported.v1') this.#onSiteReported(fact.data);
    if (fact.type === 'site.removed.v1') this.#onSiteRemoved(fact.data);
    switch (fact.type) {
      case 'session.attached.v1':
      case 'session.detached.v1':
      case 'vm.declared.v1':
      case 'vm.retired.v1':
        this.#onEnrolment(fact);
        return;
      case 'migration.accepted.v1':
      case 'migration.switched.v1':
      case 'migration.completed.v1':
      case 'migration.failed.v1':
      case 'migration.cancelled.v1':
        this.#onMigration(fact);
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
      this.#evaluate(vm, fix.atMs);
      return 'looked';
    }
    if (fault !== undefined) {
      // `checkTrack` has counted the contradiction: after a few that agree, the new positions replace the track.
      if (fault === 'teleport') this.#output.change(vm);
      return fault;
    }
    // A deadline before this event is handled first, with the state of that time, even if the timer is late.
    if (vm.wakeAtMs <= fix.atMs) this.#wake(vm);
    const saysOther = updateReporting(session, fix, this.#settings.policy.sessionTimeoutMs);
    advanceTrack(session.track, fix);
    const turned = updateMotion(session.motion, fix) || saysOther;
    if (fix.atMs > vm.nowMs) vm.nowMs = fix.atMs;
    if (fix.rtts) session.rtts = updateRtts(session.rtts, fix.rtts, fix.atMs, this.sites);
    this.#output.change(vm);
    if (!turned && session.active && fix.rtts === undefined && this.#evaluator.isQuiet(vm, session)) return 'quiet';
    this.#evaluate(vm, fix.atMs);
    return 'looked';
  }

  /**
   * Carries out an operator's order to move a VM. The next `drain` has the decision.
   * @throws TagalongError VM_UNKNOWN, SITE_UNKNOWN, or MOVE_REFUSED with the filter that refuses it
   */
  order(vmId: string, siteId: string, nowMs: number): void {
    const vm = this.#vmTable.known(vmId);
    const site = this.sites.known(siteId);
    refuseUnmovable(vm, siteId);
    const { choice, rejected } = this.#evaluator.order(vm, site, nowMs);
    if (rejected !== undefined) throw refusedBy(rejected, vmId, siteId);
    vm.nowMs = Math.max(vm.nowMs, nowMs);
    this.#send(vm, { type: 'ordered', atMs: vm.nowMs, choice });
    vm.reason = choice.reason;
    this.#schedule(vm);
    this.#evaluateRelated();
  }

  /** Pauses moves to better sites, or resumes them; on resuming every VM is evaluated. */
  pause(paused: boolean, nowMs: number): void {
    const resumes = this.paused && !paused;
    this.paused = paused;
    if (resumes) this.#evaluateAll(this.#vmTable.vms.values(), nowMs);
  }

  /**
   * Explains why the VM is where it is: every candidate with its cost, its prediction, and the filter that refuses it. Changes
   * nothing.
   * @throws TagalongError VM_UNKNOWN
   */
  explain(vmId: string, nowMs: number): Explained {
    const vm = this.#vmTable.known(vmId);
    return explained(vm, this.#explanation(vm, Math.max(vm.nowMs, nowMs), vm.reason));
  }

  /** Restores a stored VM, before any event of it. */
  restore(vm: Vm): void {
    this.#vmTable.add(vm);
    this.#relations.peers.update(vm.id);
    const { move } = vm.context;
    // In records of older versions a retired VM may have a move.
    if (move && !vm.retired) this.sites.count(this.sites.named(move.from), this.sites.named(move.to), move.paths, 1);
    this.#agenda.restore(vm);
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
    const isDue = (vm: Vm) => isAboutToEvacuate(vm) || this.#relations.isBehind(vm);
    this.#evaluateAll([...this.#vmTable.vms.values()].filter(isDue), nowMs);
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
    if (isConfined || fact.type === 'session.detached.v1') this.#evaluate(vm, fact.data.atMs);
    this.#evaluateRelated();
  }

  /** Ends the life of a VM. Cancels an order that no migrator has accepted; an accepted move is ended by the migrator. */
  #onRetired(vm: Vm): void {
    const { context } = vm;
    const isUnanswered = context.move !== null && context.move.giveUpAtMs !== null;
    const seq = isUnanswered ? context.seq + 1 : context.seq;
    if (isUnanswered) this.#decide(vm, { verdict: 'cancel', source: 'policy', reason: 'retired' }, seq, vm.nowMs);
    this.#drop(vm);
    vm.context = { ...context, seq, move: null, deadlineMs: null };
    vm.state = 'idle';
    forgetPast(vm, this.#settings.policy.priorStayMs);
    this.#vmTable.add(vm);
  }

  #drop(vm: Vm): void {
    this.#ended.forget(vm);
    endMove(vm, this.sites);
    this.#agenda.set(vm, Number.POSITIVE_INFINITY);
  }

  #onSiteRemoved(data: Data<'site.removed.v1'>): void {
    const site = this.sites.remove(data);
    if (site === undefined) return;
    forgetPlaces(this.#vmTable.vms.values());
    this.#evaluateAll(site.homes, data.atMs);
  }

  #onSiteReported(data: Data<'site.reported.v1'>): void {
    const { layout } = this.sites;
    const wasUsable = this.sites.isUsable(data.site);
    const site = this.sites.report(data);
    if (this.sites.layout !== layout) forgetPlaces(this.#vmTable.vms.values());
    if (site !== undefined && wasUsable !== !site.draining) this.#evaluateAll(site.homes, data.atMs);
  }

  /** Evaluates the VMs of homes that have fallen silent. No event reports silence, so this checks at an interval. */
  #checkSites(nowMs: number): void {
    const { siteSilentMs } = this.#settings.policy;
    this.#nextSiteCheckMs = nowMs + siteSilentMs / 2;
    for (const site of this.sites.list) if (isSilent(site, nowMs, siteSilentMs)) this.#evaluateAll(site.homes, nowMs);
  }

  /** Evaluates the VMs that depend on others to which something has happened, until none of their decisions stirs a further one. */
  #evaluateRelated(): void {
    this.#relations.each(({ vm, atMs }) => this.#evaluate(vm, atMs));
  }

  #evaluateAll(vms: Iterable<Vm>, atMs: number): void {
    for (const vm of this.#relations.leadsFirst(vms)) this.#evaluate(vm, atMs);
  }

  #onMigration(fact: MigrationFact): void {
    const { vm: id, migration, from, to, atMs } = fact.data;
    const vm = this.#vmTable.vms.get(id);
    const move = vm?.context.move;
    const isUnderWay = move?.decision === migration;
    const isOrdered = isUnderWay ? move.from === from && move.to === to : this.#vmTable.hasDecided(id, migration);
    if (!isOrdered) this.neverOrdered++;
    if (!isOrdered || !isUnderWay || vm === undefined) return; // A repeat, or an event of a move that has ended.
    vm.nowMs = Math.max(vm.nowMs, atMs);
    const lesson = applyMigrationFact(fact, vm, this.#vmTable, this.sites);
    if (lesson) this.#output.lessons.push(lesson);
    const event = machineEvent(fact, vm);
    this.#send(vm, event);
    if (fact.type === 'migration.accepted.v1') return;
    vm.reason = `move-${event.type}`;
    this.#schedule(vm);
    if (fact.type === 'migration.switched.v1') return;
    this.#relations.moved(id, atMs);
    this.#evaluateRelated();
    this.#evaluateNextEvacuation(this.sites.named(from), vm.nowMs);
  }

  /** After the end of a move: evaluates the VMs that wait to leave the same lost home, until its limit is reached again. */
  #evaluateNextEvacuation(site: Site, atMs: number): void {
    if (site.index < 0) return;
    for (const vm of site.homes) {
      if (vm.state !== 'evacuating') continue;
      if (site.moves >= this.#settings.limits.movesPerSite) return;
      this.#evaluate(vm, atMs);
    }
  }

  /** Handles a VM's deadline, as of the deadline. */
  #wake(vm: Vm): void {
    const atMs = vm.wakeAtMs;
    this.#agenda.set(vm, Number.POSITIVE_INFINITY);
    // Nothing is due: the deadline was outdated, or a silent user has reported again.
    if (dueMs(vm, this.#settings.policy) > atMs && vm.home.index >= 0) {
      vm.nowMs = Math.max(vm.nowMs, atMs);
      this.#schedule(vm);
    } else this.#evaluate(vm, atMs);
  }

  /** Evaluates a VM at an instant, or at its own clock where that is later, and sends the result to its machine. */
  #evaluate(vm: Vm, earliestMs: number): void {
    const atMs = Math.max(vm.nowMs, earliestMs);
    vm.nowMs = atMs;
    this.#output.change(vm);
    if (vm.home.index < 0) {
      // The home's first heartbeat has not arrived (it comes on another partition), or the site was removed.
      vm.reason = 'home-unknown';
      this.#agenda.set(vm, atMs + retryMs(this.#settings.policy));
      return;
    }
    // A state that was just entered may react to the same instant. Four rounds bound a fault in the machine.
    for (let round = 0; round < 4; round++) {
      const evaluation = this.#evaluator.evaluate(vm, atMs, round > 0);
      vm.reason = reasonOf(evaluation);
      vm.recheckAtMs = recheckAtMs(vm, evaluation, this.#settings.policy, atMs);
      if (wouldNotTransition(vm.state, vm.context, evaluation, atMs)) break;
      if (!this.#send(vm, { type: 'evaluated', atMs, evaluation })) break;
    }
    this.#schedule(vm);
    this.#evaluateRelated();
  }

  /** Sends an event to the VM's machine, and collects its decisions. @returns true if the state changed */
  #send(vm: Vm, event: MachineEvent): boolean {
    const before = vm.state;
    const { state, context, actions } = this.#step(before, vm.context, event);
    for (const { params } of actions) this.#decide(vm, params, context.seq, event.atMs);
    vm.state = state;
    vm.context = context;
    this.#output.change(vm);
    return state !== before;
  }

  /** Collects a decision. Called while the VM is still in the state in which it decided. */
  #decide(vm: Vm, params: DecideParams, seq: number, atMs: number): void {
    const why = this.#explanation(vm, atMs, params.reason, this.#settings.explains);
    this.#output.decisions.push(decisionEvent(vm, params, seq, atMs, why));
    this.#relations.moved(vm.id, atMs);
    const { choice } = params;
    if (choice === undefined) return;
    vm.movesAtMs = [...movesInLastHour(vm, atMs), atMs];
    this.sites.count(vm.home, this.sites.named(choice.site), choice.paths, 1);
  }

  #explanation(vm: Vm, nowMs: number, reason: string, explains = true): Explanation {
    // Candidates cannot be compared with a home whose position is unknown.
    if (!explains || vm.home.index < 0) return unexplained(vm, this.policy.name, reason);
    return explanation(vm, this.policy.name, reason, this.#evaluator.candidates(vm, nowMs));
  }

  /** Sets the next deadline. */
  #schedule(vm: Vm): void {
    const paused = vm.state === 'cooling' || vm.state === 'backing-off';
    if (paused || vm.context.move) vm.recheckAtMs = Number.POSITIVE_INFINITY;
    const nextMs = dueMs(vm, this.#settings.policy);
    // An earlier deadline stays, and finds nothing due. This is cheaper than a change of the agenda at every evaluation.
    if (nextMs < vm.wakeAtMs || vm.wakeAtMs <= vm.nowMs) this.#agenda.set(vm, nextMs);
  }
}
