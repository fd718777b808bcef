/** The moves of a simulated hypervisor: carries out the orders of its port. */
import { PHASES, type Phase } from '../../events/index.ts';
import { NOTHING_MEASURED } from '../../model/measured.ts';
import type { Measured, Move, Report } from '../hypervisor.ts';
import { type ActiveMove, activeMove, isDone, measuredOf } from './active-move.ts';
import { objection } from './admission.ts';
import type { Faults } from './faults.ts';
import type { SimulatedSites } from './sites.ts';
import { pause, resumeAtSource, STEPS, type StepEnd, type World, wait } from './steps.ts';

/** The moves of a VM that has never moved. Shared and never changed: most VMs of a large simulation never move. */
const NO_MOVES = new Map<string, ActiveMove>();

/** The steps that take long enough for reports of their progress. */
const COPIES: readonly Phase[] = ['announce', 'disk', 'memory'];

/** The parts of a simulated hypervisor with which its moves work. */
export interface MovesParts {
  readonly world: World;
  readonly sites: SimulatedSites;
  readonly faults: Faults | undefined;
  /** Interval in ms of the progress reports of a copy; undefined: only at the end of each round. */
  readonly progressEveryMs: number | undefined;
}

/** Owns the moves of all VMs. `begin`, `abort` and `inspect` are those of the port. */
export class SimulatedMoves {
  readonly #parts: MovesParts;
  /** The moves of each VM by id: the latest one, and earlier ones that are not released. */
  readonly #ofVm = new Map<string, Map<string, ActiveMove>>();
  #listener: (report: Report) => void = () => {};

  constructor(parts: MovesParts) {
    this.#parts = parts;
  }

  listen(next: (report: Report) => void): void {
    this.#listener = next;
  }

  /** A VM was placed; from then on it may move. */
  addVm(vm: string): void {
    if (!this.#ofVm.has(vm)) this.#ofVm.set(vm, NO_MOVES);
  }

  /** A VM was removed: the step of its move that is under way fails with `NO_SUCH_VM`. */
  removeVm(vm: string): void {
    for (const active of this.#ofVm.get(vm)?.values() ?? []) {
      const { underWay: step, move } = active;
      this.#stopStep(active);
      if (step) this.#refuse(move, step, 'NO_SUCH_VM', `${vm} was removed`);
    }
    this.#ofVm.delete(vm);
  }

  begin(step: Phase, move: Move) {
    const { id, vm } = move;
    const moves = this.#ofVm.get(vm);
    if (!moves) return this.#refuse(move, step, 'NO_SUCH_VM', `no VM ${vm} was placed`);
    const active = moves.get(id);
    if (active?.underWay === step) return;
    if (active && isDone(active, step)) return this.#reportDone(id, step, active);
    const next = PHASES[active?.done ?? 0];
    // The move is no longer stored, but its VM runs at the destination: nothing is left to release.
    if (!active && step === 'release' && this.#parts.world.instances.running(vm).includes(move.to)) {
      return this.#reportDone(id, step, undefined);
    }
    if (active?.underWay) return this.#refuse(move, step, 'BAD_ORDER', `${active.underWay} is still under way`);
    if (step !== next) return this.#refuse(move, step, 'BAD_ORDER', `the next step of ${id} is ${next}, not ${step}`);
    const admitted = step === 'prepare' ? this.#admit(move) : active;
    if (admitted) this.#carryOut(step, admitted);
  }

  abort(move: Move) {
    const { instances } = this.#parts.world;
    const { id, vm, from, to } = move;
    const active = this.#ofVm.get(vm)?.get(id);
    // If the move is no longer stored, the site where the VM runs tells whether it switched over.
    const switched = active ? isDone(active, 'switch') : instances.running(vm).includes(to);
    if (switched) return this.#refuse(move, 'abort', 'PAST_CANCEL', `${vm} has left ${from} for ${to}`);
    if (active) {
      this.#stopStep(active);
      if (instances.state(vm, to) === 'incoming') instances.delete(vm, to);
      active.done = 0;
    }
    const measured = this.#measuredNow(active);
    this.#reportLater(() => ({ kind: 'aborted', id, measured }));
  }

  inspect({ id, vm }: Move): void {
    this.#reportLater(() => {
      const active = this.#ofVm.get(vm)?.get(id);
      return {
        kind: 'inspected',
        id,
        runsAt: this.#parts.world.instances.running(vm)[0],
        done: PHASES.slice(0, active?.done ?? 0),
        underWay: active?.underWay,
        measured: this.#measuredNow(active),
      };
    });
  }

  #reportLater(report: () => Report): void {
    const { clock } = this.#parts.world;
    clock.at(clock.now(), () => this.#listener(report()));
  }

  #reportDone(id: string, step: Phase, active: ActiveMove | undefined): void {
    this.#reportLater(() => ({ kind: 'done', id, step, measured: this.#measuredNow(active) }));
  }

  #measuredNow(active: ActiveMove | undefined): Measured {
    this.#parts.world.network.settle();
    return active ? measuredOf(active) : NOTHING_MEASURED;
  }

  #refuse({ id, vm }: Move, step: Phase | 'abort', code: string, reason: string): void {
    const measured = this.#measuredNow(this.#ofVm.get(vm)?.get(id));
    this.#reportLater(() => ({ kind: 'failed', id, step, code, reason, measured }));
  }

  /** Admits a move to its first step; undefined if it was refused. */
  #admit(move: Move): ActiveMove | undefined {
    const { network, instances } = this.#parts.world;
    const connection = this.#parts.sites.connection(move.from, move.to);
    const moves = this.#ofVm.get(move.vm)!;
    const objected = objection(move, instances.running(move.vm), moves.values(), connection?.paths.length ?? 0);
    if (objected) {
      this.#refuse(move, 'prepare', objected.code, objected.reason);
      return undefined;
    }
    for (const [id, { done }] of moves) if (done === 0 || done === PHASES.length) moves.delete(id);
    const active = activeMove(move, network.route(connection!.paths), connection!.rttMs);
    if (moves === NO_MOVES) this.#ofVm.set(move.vm, new Map([[move.id, active]]));
    else moves.set(move.id, active);
    return active;
  }

  #carryOut(step: Phase, active: ActiveMove) {
    const { world, faults, progressEveryMs } = this.#parts;
    active.underWay = step;
    active.begun++;
    if (progressEveryMs !== undefined && COPIES.includes(step)) this.#reportProgress(step, active, progressEveryMs);
    const end = this.#endOf(step, active);
    const fault = faults?.(active.move, step);
    if (fault?.kind === 'slow') active.slowdown = fault.factor;
    if (fault === undefined || fault.kind === 'slow') return STEPS[step](world, active, end);
    if (step === 'switch') pause(world, active);
    if (fault.kind === 'fail') wait(world.clock, active, fault.afterMs, () => end.failed(fault.code, fault.reason));
  }

  /** Reports how a step goes on and ends. */
  #endOf(step: Phase, active: ActiveMove): StepEnd {
    const { id } = active.move;
    return {
      done: () => {
        active.underWay = undefined;
        active.cancel = undefined;
        active.done++;
        this.#listener({ kind: 'done', id, step, measured: measuredOf(active) });
      },
      failed: (code, reason) => {
        this.#stopStep(active);
        this.#listener({ kind: 'failed', id, step, code, reason, measured: measuredOf(active) });
      },
      progress: (remainingBytes, rateBps) => {
        this.#listener({ kind: 'progress', id, step, measured: measuredOf(active), remainingBytes, rateBps });
      },
    };
  }

  /** Stops the step under way. The VM continues to run at its source. */
  #stopStep(active: ActiveMove): void {
    active.cancel?.();
    active.cancel = undefined;
    if (active.underWay === 'switch') resumeAtSource(this.#parts.world, active);
    active.underWay = undefined;
  }

  /** Reports the progress of a step now, and at an interval until the step ends. */
  #reportProgress(step: Phase, active: ActiveMove, everyMs: number): void {
    const { clock, network } = this.#parts.world;
    const { id } = active.move;
    const { begun } = active;
    const report = () => {
      if (active.underWay !== step || active.begun !== begun) return;
      const { bytes, bytesByPath, remainingBytes, rateBps } = network.progressOf(active.route);
      const measured = { ...measuredOf(active), bytes, bytesByPath };
      this.#listener({ kind: 'progress', id, step, measured, remainingBytes, rateBps });
      clock.at(clock.now() + everyMs, report);
    };
    clock.at(clock.now(), report);
  }
}
