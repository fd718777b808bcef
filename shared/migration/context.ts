/** The state, the context and the events of a migration's machine (`machine.ts`). */
import type { Phase, VmSpec } from '../events/index.ts';
import type { Measured } from '../hypervisor/hypervisor.ts';

/** The states of a migration. Stored, and labels of metrics: never renamed. */
export type MigrationState = 'queued' | Phase | 'undoing' | 'asking' | 'completed' | 'failed' | 'cancelled';

/** The context of a migration's machine. JSON; stored as it is (`kept.ts`). Times in ms since the epoch. */
export interface Migration {
  readonly id: string;
  readonly vm: string;
  /** Number of the last decision on this VM that was seen: this migration's, or a later one that was refused. */
  readonly seq: number;
  readonly from: string;
  readonly to: string;
  readonly spec: VmSpec;
  /** Who ordered the move, or the drain that caused it. */
  readonly orderedBy?: string;
  readonly paths: readonly string[];
  readonly acceptedAtMs: number;
  readonly startedAtMs: number | null;
  /** The last phase that was entered. */
  readonly phase: Phase | 'queue';
  /** When each phase was first entered. */
  readonly phaseAtMs: Readonly<Partial<Record<Phase, number>>>;
  /** The deadline of the state; null: none. */
  readonly deadlineMs: number | null;
  readonly measured: Measured;
  /** When the switch-over was first ordered. Clients may notice an interruption from then on. */
  readonly switchAtMs: number | null;
  /** The gap in ms that clients have reported since then (`gaps.ts`); null: none. */
  readonly clientGapMs: number | null;
  readonly switched: boolean;
  /** Why it is being undone. */
  readonly undo:
    | { readonly by: string; readonly name?: string }
    | { readonly code: string; readonly reason: string }
    | null;
  /** How often the present state has asked or tried again without progress. */
  readonly retries: number;
  /** The site where the VM runs, if the migration ended otherwise than planned. */
  readonly runsAt: string;
  readonly endedAtMs: number | null;
}

/** The inputs of a migration's machine: answers of the hypervisor, orders, and deadlines. `atMs` is ms since the epoch. */
export type MigrationEvent =
  | { readonly type: 'admitted'; readonly atMs: number }
  | { readonly type: 'done'; readonly atMs: number; readonly step: Phase; readonly measured: Measured }
  | {
      readonly type: 'stepFailed';
      readonly atMs: number;
      readonly step: Phase | 'abort';
      readonly code: string;
      readonly reason: string;
      readonly measured: Measured;
    }
  | { readonly type: 'aborted'; readonly atMs: number; readonly measured: Measured }
  | {
      readonly type: 'inspected';
      readonly atMs: number;
      readonly runsAt: string | undefined;
      readonly done: readonly Phase[];
      readonly underWay: Phase | undefined;
      readonly onlyForward?: boolean;
      readonly measured: Measured;
    }
  | { readonly type: 'cancel'; readonly atMs: number; readonly by: string; readonly name?: string }
  | { readonly type: 'overdue'; readonly atMs: number }
  | { readonly type: 'restarted'; readonly atMs: number };

/** An event of one type. */
export type EventOf<T extends MigrationEvent['type']> = Extract<MigrationEvent, { type: T }>;

/** The arguments of guards and changes: the context before the transition, and the event. */
export interface Args {
  readonly context: Migration;
  readonly event: MigrationEvent;
}

/** The final states. */
export const TERMINAL: readonly MigrationState[] = ['completed', 'failed', 'cancelled'];
