/**
 * The hypervisor port: the six steps of a make-before-break live migration, carried out for one VM at a time.
 *
 * Orders are given without waiting; what came of them is told to the listener. That is how the real thing behaves (a
 * site agent answers when QEMU does), it survives a restart of the one who gave the order, and it costs a simulation no
 * promises.
 *
 * An adapter promises: each `begin` is answered by exactly one `done` or `failed` for that step, unless an `abort` takes
 * its place (then `aborted`) or the adapter dies; never inside the call that asked. `begin` of a step that is already
 * done, or under way, is harmless. Until `switch` is done the VM runs at `from`, after that it runs at `to`, and at no
 * moment at both; it may stand still from the end of `memory` on, where the guest is so idle that nothing is left to
 * copy; `release` fails with the code `VM_NOT_RUNNING` where everything was released but the VM has died at `to`;
 * `abort` is refused (`failed`, code `PAST_CANCEL`) once the switch-over has been made.
 */
import type { Figures, Phase, VmSpec } from '../events/index.ts';

export interface Hypervisor {
  /** Where reports go. Must be set before the first order; the latest listener gets them. */
  listen(listener: (report: Report) => void): void;
  /** Carries out one step of a move. */
  begin(step: Phase, move: Move): void;
  /** Undoes what was done of a move that has not switched over. Answered by `aborted`. */
  abort(move: Move): void;
  /** Asks what is true now of a move, for one who was restarted. Answered by `truth`. */
  inspect(move: Move): void;
}

/** What is to be moved where. */
export interface Move {
  /** The migration's id. */
  readonly id: string;
  readonly vm: string;
  readonly from: string;
  readonly to: string;
  readonly spec: VmSpec;
}

/**
 * Running totals of a move, as far as it has come. `interruptionMs` is what the adapter estimates that clients saw.
 * `hypervisorDowntimeMs` is what the hypervisor itself calls downtime, where it says anything; `pauseMs` is never taken
 * from it, because it ends before the VM runs at the destination.
 */
export type Measured = Pick<
  Figures,
  'pauseMs' | 'interruptionMs' | 'hypervisorDowntimeMs' | 'bytes' | 'bytesByPath' | 'rounds' | 'subflows' | 'degraded'
>;

/** What came of an order, or how far it has come. */
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
      readonly kind: 'truth';
      readonly id: string;
      /** The one site where the VM runs; undefined where it runs nowhere. */
      readonly runsAt: string | undefined;
      /** Steps that are done, in order. */
      readonly done: readonly Phase[];
      /** The step under way, if any: its answer is still to come. */
      readonly underWay: Phase | undefined;
      /** True: it stands still in its switch-over, which can be carried on but not taken back. */
      readonly onlyForward?: boolean;
      readonly measured: Measured;
    };
