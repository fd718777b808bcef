/**
 * The hypervisor port: the six steps of a make-before-break live migration, carried out for one VM at a time.
 *
 * An order returns at once; the adapter reports its result to the listener. A real hypervisor works like that: its agent answers
 * only when QEMU does, and the caller may restart before. A simulation needs no JavaScript promises.
 *
 * An adapter guarantees:
 * - It answers each `begin` with exactly one `done` or `failed` of that step, after the call has returned. There is no such answer
 *   if an `abort` replaces the step (then `aborted` follows) or the adapter dies. `begin` may be repeated for a step that is done
 *   or under way.
 * - The VM runs at `from` until `switch` is done, then at `to`, and never at both. An idle guest with nothing left to copy may be
 *   stopped from the end of `memory` on.
 * - `release` fails with the code `VM_NOT_RUNNING` if everything was released but the VM has died at `to`.
 * - It refuses `abort` (`failed`, code `PAST_CANCEL`) once the VM has switched over.
 */
import type { Figures, Phase, VmSpec } from '../events/index.ts';

/** Moves VMs between sites. The head of this file says what an adapter guarantees. */
export interface Hypervisor {
  /** Sets the listener of the reports, in place of an earlier one. Must be called before the first order. */
  listen(listener: (report: Report) => void): void;
  /** Orders one step of a move. Answered by `done` or `failed`; `progress` may come before. */
  begin(step: Phase, move: Move): void;
  /** Undoes a move that has not switched over. Answered by `aborted` or `failed`. */
  abort(move: Move): void;
  /** Queries the present state of a move, for example after a restart. Answered by `inspected`. */
  inspect(move: Move): void;
}

/** A move of one VM between two sites. */
export interface Move {
  /** The migration's id. */
  readonly id: string;
  readonly vm: string;
  readonly from: string;
  readonly to: string;
  readonly spec: VmSpec;
}

/**
 * Running totals of a move, in milliseconds and bytes. `interruptionMs` is the adapter's estimate of the gap that clients saw.
 * `hypervisorDowntimeMs` is the downtime that the hypervisor itself measures, if it does. `pauseMs` is measured apart, because the
 * hypervisor's downtime ends before the VM runs at the destination.
 */
export type Measured = Pick<
  Figures,
  'pauseMs' | 'interruptionMs' | 'hypervisorDowntimeMs' | 'bytes' | 'bytesByPath' | 'rounds' | 'subflows' | 'degraded'
>;

/** The result or the progress of an order. */
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
      /** The one site where the VM runs; undefined if it runs at neither. */
      readonly runsAt: string | undefined;
      /** Steps that are done, in order. */
      readonly done: readonly Phase[];
      /** The step under way, if any. Its answer follows. */
      readonly underWay: Phase | undefined;
      /** True: the VM is stopped in a switch-over that can be completed but not undone. */
      readonly onlyForward?: boolean;
      readonly measured: Measured;
    };
