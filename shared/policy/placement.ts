/**
 * The policy's core: facts in, decisions out. Pure: no bus, no clock, no store. Live service, replay and simulation
 * drive this same class, so they decide alike.
 *
 * A location event passes plausibility, the user's session and the quiet radius; most end there. Only those that can
 * change something evaluate the VM (`evaluate/evaluator.ts`) and reach its machine (`decide/machine.ts`).
 */
import type { Core } from '../core.ts';
import type { Data, Explanation, Fact, FactOf } from '../events/index.ts';
import { notAhead } from '../events/not-ahead.ts';
import { nearKm2 } from '../geo/distance.ts';
import { advanceTrack, checkPosition, checkTrack } from '../geo/plausibility.ts';
import { type Stepper, stepper } from '../state-machine/stepper.ts';
import { Agenda } from '../time/agenda.ts';
import { decisionEvent, explanation, moveRefused, unexplained } from './decide/decision.ts';
import {
  type DecideParams,
  type MachineEvent,
  type VmMachine,
  vmMachine,
  wouldNotTransition,
} from './decide/machine.ts';
import { applyMigrationFact, endMove, type MigrationFact, machineEvent } from './decide/migration-facts.ts';
import { type LocationOutcome, Outcomes } from './decide/outcomes.ts';
import { refusalWords } from './decide/words.ts';
import { reasonOf, VmEvaluator } from './evaluate/evaluator.ts';
import { isSilent, movesInLastHour } from './evaluate/filters.ts';
import { recheckAtMs, retryMs } from './evaluate/recheck.ts';
import { NO_OUTPUT, type PlacementOutput } from './output.ts';
import { type AnyPolicy, hasCooldowns, policyFor } from './rules/named.ts';
import type { PlacementSettings } from './settings.ts';
import { updateMotion } from './state/motion.ts';
import { updateRtts } from './state/rtts.ts';
import { type Lesson, SiteTable } from './state/sites.ts';
import type { Session, Site, Vm } from './state/state.ts';
import { dueMs, forgetPast, forgetPlaces } from './state/vm.ts';
import type { VmState } from './state/vm-context.ts';
import { sessionOf, VmTable } from './state/vm-table.ts';

/** The members of a location event that tell where the user is. */
export type Position = Pick<Data<'location.reported.v1'>, 'atMs' | 'lat' | 'lon' | 'rtts'>;

/** States in which a VM has not yet reacted to a draining home. */
const LEAVES_WHEN_TOLD: readonly VmState[] = ['idle', 'settled', 'drifting', 'cooling'];

/** Owns the VMs of its partitions, all sites, and the policy. Not reentrant; times are whole ms since the epoch. */
export class Placement implements Core<PlacementOutput> {
  readonly sites: SiteTable;
  readonly policy: AnyPolicy;
  /** True: no VM moves to a better site. Evacuations and operators' orders go on. */
  paused = false;
  readonly #settings: PlacementSettings;
  readonly #step: Stepper<VmMachine>;
  readonly #evaluator: VmEvaluator;
  readonly #vmTable: VmTable;
  readonly #agenda = new Agenda<Vm>();
  readonly #outcomes = new Outcomes();
  #decided: Data<'placement.decided.v1'>[] = [];
  #changed: Vm[] = [];
  #lessons: Lesson[] = [];
  #nextSiteCheckMs = 0;
  /** Events of migrations that were ignored because nobody ordered them here, since the start. */
  neverOrdered = 0;

  /** @param decides a policy in the place of the one that the settings name */
  constructor(settings: PlacementSettings, decides?: AnyPolicy) {
    const { policy, network } = settings;
    this.#settings = settings;
    this.policy = decides ?? policyFor(policy.name, policy, network);
    this.sites = new SiteTable(network);
    this.#vmTable = new VmTable(this.sites, policy.priorStayMs);
    const machine = vmMachine({ ...policy, coolingMs: hasCooldowns(this.policy) ? policy.coolingMs : 0 });
    this.#step = stepper(machine);
    // Published policies are compared as they were published: without our cooldowns and budgets.
    const bounds = hasCooldowns(this.policy) ? policy : { returnPauseMs: 0, maxMovesPerHour: Number.POSITIVE_INFINITY };
    const { limits } = settings;
    const isPaused = () => this.paused;
    const rules = { sites: this.sites, limits, siteSilentMs: policy.siteSilentMs, isPaused, ...bounds };
    this.#evaluator = new VmEvaluator(this.sites, settings, this.policy, rules);
  }

  get vms(): ReadonlyMap<string, Vm> {
    return this.#vmTable.vms;
  }

  /** Everything that changed since the last call. A VM that decided something is among those that changed. */
  drain(): PlacementOutput {
    const vms = this.#changed;
    if (vms.length === 0) return NO_OUTPUT;
    for (const vm of vms) vm.changed = false;
    this.#changed = [];
    // Most turns have neither: these get no array of their own.
    const lessons = this.#lessons.length > 0 ? this.#lessons.splice(0) : NO_OUTPUT.lessons;
    const decisions = this.#decided.length > 0 ? this.#decided.splice(0) : NO_OUTPUT.decisions;
    return { vms, lessons, decisions };
  }

  /** When `advance` has something to do; undefined: only facts can change anything. */
  nextWakeMs(): number | undefined {
    const wakeMs = this.#agenda.nextMs();
    if (!Number.isFinite(this.#settings.policy.siteSilentMs) || this.sites.list.length === 0) return wakeMs;
    return Math.min(wakeMs ?? Number.POSITIVE_INFINITY, this.#nextSiteCheckMs);
  }

  /** Lets time pass: evaluates each VM whose deadline has come, as of its deadline, in order. */
  advance(nowMs: number): void {
    if (nowMs >= this.#nextSiteCheckMs) this.#checkSites(nowMs);
    for (let vm = this.#agenda.take(nowMs); vm !== undefined; vm = this.#agenda.take(nowMs)) this.#wake(vm);
  }

  /** Applies any fact. @param nowMs the clock, for telling positions from the future */
  apply(said: Fact, nowMs: number): void {
    if (said.type === 'location.reported.v1') return void this.location(said.data, nowMs);
    const fact = notAhead(said, nowMs);
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

  /** Location events by outcome. */
  get counts(): Map<LocationOutcome, number> {
    return this.#outcomes.counts;
  }

  /** One position of one user of one VM. */
  location(fix: Data<'location.reported.v1'>, nowMs: number): LocationOutcome {
    const vm = this.#vmTable.vms.get(fix.vm);
    const session = vm && sessionOf(vm, fix.user);
    if (session) return this.locate(vm, session, fix, nowMs);
    return this.#outcomes.count(vm ? 'unattached' : 'unknown-vm');
  }

  /** The hot path: the same for a caller that has the VM and its session. A position ahead of the clock counts as of now. */
  locate(vm: Vm, session: Session, fix: Position, nowMs: number): LocationOutcome {
    return this.#outcomes.count(this.#locate(vm, session, fix, nowMs));
  }

  #locate(vm: Vm, session: Session, said: Position, nowMs: number): LocationOutcome {
    const fix = said.atMs > nowMs ? { ...said, atMs: nowMs } : said;
    const { plausibility } = this.#settings;
    const fault = checkPosition(said, nowMs, plausibility) ?? checkTrack(session.track, fix, plausibility);
    if (fault !== undefined) {
      // The contradiction is remembered: after some more of them it was the track that was wrong.
      if (fault === 'teleport') this.#markChanged(vm);
      return fault;
    }
    // A deadline before this event is met with what was known then, however late the tick is.
    if (vm.wakeAtMs <= fix.atMs) this.#wake(vm);
    advanceTrack(session.track, fix);
    const turned = updateMotion(session.motion, fix);
    if (fix.atMs > vm.nowMs) vm.nowMs = fix.atMs;
    if (fix.rtts) session.rtts = updateRtts(session.rtts, fix.rtts, fix.atMs, this.sites);
    this.#markChanged(vm);
    if (!turned && session.active && fix.rtts === undefined && this.#isWithinQuietRadius(vm, session)) return 'quiet';
    this.#evaluate(vm, fix.atMs);
    return 'looked';
  }

  /** True while the user stays within the VM's quiet radius, and the site nearest to the user remains the same. */
  #isWithinQuietRadius({ quietKm }: Vm, session: Session): boolean {
    const { track, lookLat, lookLon, lookScale, anchorLat, anchorLon, anchorScale, certainKm } = session;
    if (quietKm < 0 || nearKm2(lookLat, lookLon, lookScale, track.lat, track.lon) > quietKm * quietKm) return false;
    if (nearKm2(anchorLat, anchorLon, anchorScale, track.lat, track.lon) <= certainKm * certainKm) return true;
    return this.#evaluator.sameNearest(session);
  }

  /**
   * An operator's order. `drain` has the decision when this returns.
   * @throws TagalongError VM_UNKNOWN, SITE_UNKNOWN, or MOVE_REFUSED with the filter that refused it
   */
  order(vmId: string, siteId: string, nowMs: number): void {
    const vm = this.#vmTable.known(vmId);
    const site = this.sites.known(siteId);
    if (vm.state === 'moving') throw moveRefused(vmId, siteId, 'it is moving already');
    if (vm.home.index < 0) throw moveRefused(vmId, siteId, `nobody speaks for its home, ${vm.home.id}`);
    const { choice, rejected } = this.#evaluator.order(vm, site, nowMs);
    if (rejected !== undefined) throw moveRefused(vmId, siteId, `${refusalWords(rejected)} (${rejected})`);
    vm.nowMs = Math.max(vm.nowMs, nowMs);
    this.#send(vm, { type: 'ordered', atMs: vm.nowMs, choice });
    vm.reason = choice.reason;
    this.#schedule(vm);
  }

  /** Pauses moves to better sites, or resumes them; on resuming every VM is evaluated. */
  pause(paused: boolean, nowMs: number): void {
    const goesOn = this.paused && !paused;
    this.paused = paused;
    if (goesOn) this.#evaluateAll(this.#vmTable.vms.values(), nowMs);
  }

  /**
   * Why the VM is where it is: every candidate with its cost, its prediction, and what stands against it. Asking changes
   * nothing.
   * @throws TagalongError VM_UNKNOWN
   */
  explain(vmId: string, nowMs: number): Explanation & { vm: string; home: string } {
    const vm = this.#vmTable.known(vmId);
    return { vm: vm.id, home: vm.home.id, ...this.#explanation(vm, Math.max(vm.nowMs, nowMs), vm.reason) };
  }

  /** Restores a stored VM, before any event of it. */
  restore(vm: Vm): void {
    this.#vmTable.add(vm);
    const { move } = vm.context;
    // Records of older versions may say of a retired VM that it moves.
    if (move && !vm.retired) this.sites.count(this.sites.named(move.from), this.sites.named(move.to), move.paths, 1);
    this.#agenda.restore(vm);
  }

  /** Drops a VM as if it had never been restored: its new record could not be written. */
  forget(vmId: string): void {
    const vm = this.#vmTable.forget(vmId);
    if (vm !== undefined) this.#drop(vm);
  }

  /** After a restart, once sites and VMs are restored: evaluates VMs whose home was lost meanwhile. */
  resume(nowMs: number): void {
    for (const vm of [...this.#vmTable.vms.values()]) {
      if (vm.home.index < 0 || !vm.home.draining || !LEAVES_WHEN_TOLD.includes(vm.state)) continue;
      this.#evaluate(vm, nowMs);
    }
  }

  #onEnrolment(fact: FactOf<'session.attached.v1' | 'session.detached.v1' | 'vm.declared.v1' | 'vm.retired.v1'>): void {
    const vm = this.#vmTable.apply(fact);
    if (vm === undefined) return;
    this.#markChanged(vm);
    if (vm.retired) {
      this.#onRetired(vm);
    } else if (fact.type === 'session.detached.v1') {
      this.#evaluate(vm, fact.data.atMs);
    }
  }

  /** An accepted move is the migrator's to end. An order that no migrator has accepted is cancelled. */
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

  /** Evaluates the VMs of homes that fell silent: no event reports that. */
  #checkSites(nowMs: number): void {
    const { siteSilentMs } = this.#settings.policy;
    this.#nextSiteCheckMs = nowMs + siteSilentMs / 2;
    for (const site of this.sites.list) {
      if (isSilent(site, nowMs, siteSilentMs)) this.#evaluateAll(site.homes, nowMs);
    }
  }

  #evaluateAll(vms: Iterable<Vm>, atMs: number): void {
    for (const vm of [...vms]) this.#evaluate(vm, atMs);
  }

  #onMigration(fact: MigrationFact): void {
    const { vm: id, migration, from, atMs } = fact.data;
    const vm = this.#vmTable.vms.get(id);
    if (!this.#vmTable.hasDecided(id, migration)) this.neverOrdered++;
    if (vm?.context.move?.decision !== migration) return; // A repeat, or of a move that has ended here already.
    vm.nowMs = Math.max(vm.nowMs, atMs);
    const lesson = applyMigrationFact(fact, vm, this.#vmTable, this.sites);
    if (lesson) this.#lessons.push(lesson);
    this.#send(vm, machineEvent(fact, vm));
    if (fact.type === 'migration.accepted.v1') return;
    vm.reason = vm.state;
    this.#schedule(vm);
    if (fact.type !== 'migration.switched.v1') this.#evaluateNextEvacuation(this.sites.named(from), vm.nowMs);
  }

  /** A move that ends makes room for the next VM that is to leave the same lost home. */
  #evaluateNextEvacuation(site: Site, atMs: number): void {
    if (site.index < 0) return;
    for (const vm of site.homes) {
      if (vm.state !== 'evacuating') continue;
      if (site.moves >= this.#settings.limits.movesPerSite) return;
      this.#evaluate(vm, atMs);
    }
  }

  /** Meets a VM's deadline, as of the deadline. */
  #wake(vm: Vm): void {
    const atMs = vm.wakeAtMs;
    this.#agenda.set(vm, Number.POSITIVE_INFINITY);
    // Nothing is due: an earlier deadline was left in place, or a silent user has reported again.
    if (dueMs(vm, this.#settings.policy) > atMs && vm.home.index >= 0) {
      vm.nowMs = Math.max(vm.nowMs, atMs);
      this.#schedule(vm);
    } else this.#evaluate(vm, atMs);
  }

  /** Evaluates a VM at an instant, or at its own clock where that is later, and sends the result to its machine. */
  #evaluate(vm: Vm, earliestMs: number): void {
    const atMs = Math.max(vm.nowMs, earliestMs);
    vm.nowMs = atMs;
    this.#markChanged(vm);
    if (vm.home.index < 0) {
      // The home's heartbeat is still on its way on another partition, or the site was removed.
      vm.reason = 'home-unknown';
      this.#agenda.set(vm, atMs + retryMs(this.#settings.policy));
      return;
    }
    // A state that was just entered may react to the same instant; a few in a row at most.
    for (let looks = 0; looks < 4; looks++) {
      const evaluation = this.#evaluator.evaluate(vm, atMs, looks > 0);
      vm.reason = reasonOf(evaluation);
      vm.recheckAtMs = recheckAtMs(vm, evaluation, this.#settings.policy, atMs);
      if (wouldNotTransition(vm.state, vm.context, evaluation, atMs)) break;
      if (!this.#send(vm, { type: 'looked', atMs, evaluation })) break;
    }
    this.#schedule(vm);
  }

  /** Sends an event to the VM's machine and publishes its decisions. @returns true where the state changed */
  #send(vm: Vm, event: MachineEvent): boolean {
    const before = vm.state;
    const { state, context, actions } = this.#step(before, vm.context, event);
    for (const { params } of actions) this.#decide(vm, params, context.seq, event.atMs);
    vm.state = state;
    vm.context = context;
    this.#markChanged(vm);
    return state !== before;
  }

  /** Called while the VM still has the state it decided in. */
  #decide(vm: Vm, params: DecideParams, seq: number, atMs: number): void {
    const why = this.#explanation(vm, atMs, params.reason, this.#settings.explains);
    this.#decided.push(decisionEvent(vm, params, seq, atMs, why));
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
    // An earlier deadline may stay: it will find nothing due. That is cheaper than moving it at every evaluation.
    if (nextMs < vm.wakeAtMs || vm.wakeAtMs <= vm.nowMs) this.#agenda.set(vm, nextMs);
  }

  #markChanged(vm: Vm): void {
    if (vm.changed) return;
    vm.changed = true;
    this.#changed.push(vm);
  }
}
