/** The messages between a conductor and its followers. */
import type { ErrorCode } from '#shared/errors.ts';
import type { EventType, Phase, VmSpec } from '#shared/events/index.ts';
import type { Move, Report } from '#shared/hypervisor/hypervisor.ts';
import type { AnnouncedEvent } from './outstanding.ts';

/** A message of a follower. */
export type FromFollower =
  /** The first message: the name of the process, and the token that the conductor gave it at its start. */
  | { readonly kind: 'hello'; readonly name: string; readonly token: string }
  /** The service has started and answers requests at `url`. */
  | { readonly kind: 'started'; readonly url: string }
  /** The process has subscribed as a member of a group. `own`: the group belongs to this process alone. */
  | { readonly kind: 'subscribed'; readonly group: string; readonly types: readonly EventType[]; readonly own: boolean }
  /** The process is about to publish these events. */
  | { readonly kind: 'announced'; readonly events: readonly AnnouncedEvent[] }
  /** The bus has stored these events, or publishing them has failed. */
  | { readonly kind: 'published' | 'publish-failed'; readonly ids: readonly string[] }
  /** The process has handled these events as a member of a group. */
  | { readonly kind: 'handled'; readonly group: string; readonly ids: readonly string[] }
  /** The answer to `time`: the process has done its work, and all work that followed from it. */
  | ({ readonly kind: 'idle'; readonly n: number } & IdleState)
  | { readonly kind: 'order'; readonly order: MachineOrder }
  | { readonly kind: 'ask'; readonly n: number; readonly question: Question };

/** The state of a process that has no work in progress. */
export interface IdleState {
  /** The time of the next callback of its clock; null if there is none. */
  readonly nextMs: number | null;
  /** The partitions that the process holds; all of them if it is the leading migrator. */
  readonly held: readonly number[];
}

/** A message of a conductor. */
export type FromConductor =
  /** The answer to `hello`. */
  | { readonly kind: 'begin'; readonly nowMs: number }
  /** Sets the clock. With `step`, the process runs its first due callback. The process answers with `idle`. */
  | { readonly kind: 'time'; readonly n: number; readonly nowMs: number; readonly step: boolean }
  | { readonly kind: 'report'; readonly report: Report }
  | ({ readonly kind: 'answer'; readonly n: number } & Answer);

/** The answer to a question, or the error. */
export interface Answer {
  readonly value?: unknown;
  readonly fault?: { readonly code: ErrorCode; readonly message: string };
}

/** An order to the machines, which the conductor simulates. */
export type MachineOrder =
  | { readonly kind: 'begin'; readonly step: Phase; readonly move: Move }
  | { readonly kind: 'abort' | 'inspect'; readonly move: Move };

/** A call to the machines that has an answer. */
export type Question =
  | { readonly what: 'setLeader'; readonly isLeader: boolean }
  | { readonly what: 'vmsAt'; readonly site: string }
  | { readonly what: 'startVm'; readonly vm: string; readonly site: string; readonly spec: VmSpec }
  | { readonly what: 'remove'; readonly vm: string };
