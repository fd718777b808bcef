/**
 * The hypervisor port: the six steps of a make-before-break live migration, carried out for one VM at a time.
 *
 * Orders return at once; their results are reported to the listener. A real hypervisor behaves like that (an agent answers when
 * QEMU does), the caller may restart in between, and a simulation needs no JavaScript promises.
 *
 * An adapter guarantees:
 * - Each `begin` is answered by exactly one `done` or `failed` of that step, unless an `abort` takes its place (then `aborted`) or
 *   the adapter dies; never inside the call. `begin` of a step that is done or under way is harmless.
 * - Until `switch` is done the VM runs at `from`, after that at `to`, and at no moment at both. It may stand still from the end of
 *   `memory` on, where the guest is so idle that nothing is left to copy.
 * - `release` fails with the code `VM_NOT_RUNNING` where everything was released but the VM has died at `to`.
 * - `abort` is refused (`failed`, code `PAST_CANCEL`) once the VM has switched over.
 */
import type { Figures, Phase, VmSpec } from '../events/index.ts';

export interface Hypervisor {
  /** Sets who receives the reports. Has to be called before the first order; the latest listener gets them. */
  listen(listener: (report: Report) => void): void;
  /** Carries out one step of a move. */
  begin(step: Phase, move: Move): void;
  /** Undoes a move that has not switched over. Answered by `aborted`. */
  abort(move: Move): void;
  /** Asks for the present state of a move, after a restart. Answered by `inspected`. */
  inspect(move: Move): void;
}

/** Which VM moves from where to where. */
export interface Move {
  /** The migration's id. */
  readonly id: string;
  readonly vm: string;
  readonly from: string;
  readonly to: string;
  readonly spec: VmSpec;
}

/**
 * Running totals of a move, in milliseconds and bytes. `interruptionMs` is the adapter's estimate of what clients saw.
 * `hypervisorDowntimeMs` is the hypervisor's own figure, where it has one. `pauseMs` is never taken from it, because that figure
 * ends before the VM runs at the destination.
 */
export type Measured = Pick<
  Figures,
  'pauseMs' | 'interruptionMs' | 'hypervisorDowntimeMs' | 'bytes' | 'bytesByPath' | 'rounds' | 'subflows' | 'degraded'
>;

/** The result of an order, or its progress. */
export type Report =
  | { readonly kind: 'done'; readonly id: string; readonly step: Phase; readonly measured: Measured }
  | {
      readonly kind: 'failed';
      readonly id: string;
      readonly step: Phase | 'abort';
      readonly code: string;
      readonly reason: string;
      readonly measured: Measured;
    }
  | { readonly kind: 'aborted'; readonly id: string; readonly measured: Measured }
  | {
      readonly kind: 'progress';
      readonly id: string;
      readonly step: Phase;
      readonly measured: Measured;
      readonly remainingBytes: number;
      readonly rateBps: number;
    }
  | {
      readonly kind: 'inspected';
      readonly id: string;
      /** The one site where the VM runs; undefined where it runs nowhere. */
      readonly runsAt: string | undefined;
      /** Steps that are done, in order. */
      readonly done: readonly Phase[];
      /** The step under way, if any: its answer follows. */
      readonly underWay: Phase | undefined;
      /** True: it stands still in its switch-over, which can be completed but not undone. */
      readonly onlyForward?: boolean;
      readonly measured: Measured;
    };
