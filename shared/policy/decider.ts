/**
 * Evaluates VMs, sends the results to their machines, collects the decisions, and sets the deadlines of the next evaluations.
 * Owned by one `Placement`.
 */
import type { Explanation } from '../events/index.ts';
import { type Stepper, stepper } from '../state-machine/stepper.ts';
import { Agenda } from '../time/agenda.ts';
import { decisionEvent, explanation, unexplained } from './decide/decision.ts';
import { wouldNotTransition } from './decide/guards.ts';
import { type VmMachine, vmMachine } from './decide/machine.ts';
import type { DecideParams, MachineEvent } from './decide/machine-events.ts';
import { engaged, reasonOf } from './evaluate/evaluation.ts';
import type { VmEvaluator } from './evaluate/evaluator.ts';
import { movesInLastHour } from './evaluate/filters.ts';
import { slotFrom } from './evaluate/planner.ts';
import { recheckAtMs, retryMs } from './evaluate/recheck.ts';
import type { CollectedOutput } from './output.ts';
import type { Relations } from './relations.ts';
import { type AnyPolicy, boundsOf } from './rules/named.ts';
import type { PlacementSettings } from './settings.ts';
import type { Vm } from './state/state.ts';
import type { Traffic } from './state/traffic.ts';
import { dueMs, isWaiting } from './state/vm.ts';

/** The parts of a `Placement` with which its decider works. */
export interface DeciderParts {
  readonly settings: PlacementSettings;
  readonly policy: AnyPolicy;
  readonly evaluator: VmEvaluator;
  readonly traffic: Traffic;
  readonly vms: ReadonlyMap<string, Vm>;
  readonly output: CollectedOutput;
  readonly relations: Relations;
}

/** Not reentrant; times are whole ms since the epoch. */
export class Decider {
  /** The VMs in the order of their deadlines. */
  readonly agenda = new Agenda<Vm>();
  readonly #parts: DeciderParts;
  readonly #step: Stepper<VmMachine>;

  constructor(parts: DeciderParts) {
    const { policy } = parts.settings;
    this.#parts = parts;
    this.#step = stepper(vmMachine({ ...policy, ...boundsOf(parts.policy, policy) }));
  }

  /** Handles a VM's deadline, as of the deadline. */
  wake(vm: Vm): void {
    const atMs = vm.wakeAtMs;
    this.agenda.set(vm, Number.POSITIVE_INFINITY);
    // Nothing is due: the deadline was outdated, or a silent user has reported again.
    if (dueMs(vm, this.#parts.settings.policy) > atMs && vm.home.index >= 0) {
      vm.nowMs = Math.max(vm.nowMs, atMs);
      this.schedule(vm);
    } else this.evaluate(vm, atMs);
  }

  /** Evaluates several VMs, those that lead a group before those that follow; see `evaluate`. */
  evaluateAll(vms: Iterable<Vm>, atMs: number): void {
    for (const vm of this.#parts.relations.leadsFirst(vms)) this.evaluate(vm, atMs);
  }

  /**
   * Evaluates VMs that wait for their turn soon after `atMs`: each in its own millisecond, so that the next one knows the move of the
   * one before, whichever process holds it.
   */
  hasten(ids: Iterable<string>, atMs: number): void {
    for (const id of ids) {
      const vm = this.#parts.vms.get(id);
      if (!isWaiting(vm)) continue;
      vm.recheckAtMs = Math.min(vm.recheckAtMs, slotFrom(id, Math.max(vm.nowMs, atMs) + 1));
      this.#parts.output.change(vm);
      this.schedule(vm);
    }
  }

  /** Evaluates a VM at an instant, or at its own clock where that is later, and sends the result to its machine. */
  evaluate(vm: Vm, earliestMs: number): void {
    const { settings, evaluator, output, traffic } = this.#parts;
    const atMs = Math.max(vm.nowMs, earliestMs);
    vm.nowMs = atMs;
    output.change(vm);
    if (vm.home.index < 0) {
      // The home's first heartbeat has not arrived (it comes on another partition), or the site was removed.
      vm.reason = 'home-unknown';
      this.agenda.set(vm, atMs + retryMs(settings.policy));
      return;
    }
    traffic.waiting.delete(vm.id);
    // With a scan of its own: an explanation of the last decision has scanned other sites.
    let evaluation = evaluator.evaluate(vm, atMs);
    // A state that was just entered may react to the same instant. Four rounds bound a fault in the machine.
    for (let round = 0; round < 4; round++) {
      vm.reason = reasonOf(evaluation);
      vm.recheckAtMs = recheckAtMs(vm, evaluation, settings.policy, atMs);
      if (wouldNotTransition(vm.state, vm.context, evaluation, atMs)) break;
      const { seq } = vm.context;
      const wasEngaged = engaged(vm, atMs);
      if (!this.send(vm, { type: 'evaluated', atMs, evaluation })) break;
      // Where nothing was decided, and the same cooldown lasts, another evaluation would come to the same result. Published rules remember
      // how often they were asked.
      const isSame = vm.context.seq === seq && engaged(vm, atMs) === wasEngaged && !('choose' in this.#parts.policy);
      if (!isSame) evaluation = evaluator.evaluate(vm, atMs);
    }
    this.schedule(vm);
    this.evaluateRelated();
  }

  /** Evaluates the VMs that depend on others to which something has happened, until none of their decisions stirs a further one. */
  evaluateRelated(): void {
    this.#parts.relations.each(({ vm, atMs }) => this.evaluate(vm, atMs));
  }

  /**
   * Sends an event to the VM's machine, and collects its decisions.
   * @param operator the name of the operator who ordered it
   * @returns true if the state changed
   */
  send(vm: Vm, event: MachineEvent, operator?: string): boolean {
    const { traffic, output } = this.#parts;
    const before = vm.state;
    const { state, context, actions } = this.#step(before, vm.context, event);
    let orderedBy: string | undefined;
    // All other actions change the context only.
    for (const action of actions) {
      if (action.type !== 'decide') continue;
      orderedBy = ordererOf(vm, action.params, operator);
      this.decide(vm, action.params, context.seq, event.atMs, orderedBy);
    }
    const begins = context.move !== null && vm.context.move === null;
    if (begins) traffic.add({ ...context.move, vm: vm.id, spec: vm.spec });
    vm.state = state;
    vm.context = begins && orderedBy !== undefined ? { ...context, move: { ...context.move, orderedBy } } : context;
    output.change(vm);
    return state !== before;
  }

  /** Collects a decision. Called while the VM is still in the state in which it decided. */
  decide(vm: Vm, params: DecideParams, seq: number, atMs: number, orderedBy?: string): void {
    const why = this.explanation(vm, atMs, params.reason, this.#parts.settings.explains);
    this.#parts.output.decisions.push(decisionEvent(vm, params, seq, atMs, why, orderedBy));
    if (params.verdict !== 'stay') this.#parts.relations.moved(vm.id, atMs);
    if (params.choice !== undefined) vm.movesAtMs = [...movesInLastHour(vm, atMs), atMs];
  }

  /** The explanation of a VM's placement. @param explains false: without candidates */
  explanation(vm: Vm, nowMs: number, reason: string, explains = true): Explanation {
    const { policy, evaluator } = this.#parts;
    // Candidates cannot be compared with a home whose position is unknown.
    if (!explains || vm.home.index < 0) return unexplained(vm, policy.name, reason);
    return explanation(vm, policy.name, reason, evaluator.candidates(vm, nowMs));
  }

  /** Sets the next deadline. */
  schedule(vm: Vm): void {
    const paused = vm.state === 'cooling' || vm.state === 'backing-off';
    if (paused || vm.context.move) vm.recheckAtMs = Number.POSITIVE_INFINITY;
    const nextMs = dueMs(vm, this.#parts.settings.policy);
    // An earlier deadline stays, and finds nothing due. This is cheaper than a change of the agenda at every evaluation.
    if (nextMs < vm.wakeAtMs || vm.wakeAtMs <= vm.nowMs) this.agenda.set(vm, nextMs);
  }
}

/** Who ordered a move: the operator, or whoever ordered that the home drains; undefined: the policy, or somebody without a name. */
function ordererOf({ home }: Vm, { verdict, source, reason }: DecideParams, operator?: string): string | undefined {
  if (verdict !== 'move') return undefined;
  if (source === 'operator') return operator;
  return reason === 'home-draining' ? home.drainedBy : undefined;
}
