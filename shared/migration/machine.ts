/**
 * One migration, from the decision to its one terminal event: make before break.
 *
 * ```
 *  queued ─► prepare ─► announce ─► disk ─► memory ─► switch ─► release ─► completed
 *     │         └──────────┴─────────┴────────┴─┐       │ │        (only forward from here)
 *     │                                         ▼       │ └─► asking ─► …
 *     └────────────────────────────────────► undoing ◄──┘
 *                                               └─► failed | cancelled
 *
 *  release ─► failed, where the VM died at its destination
 * ```
 *
 * - **queued**: waits until the limits of both sites and of all paths allow it.
 * - **prepare** … **release**: the step of that name is under way. A step is recorded here before it is ordered.
 * - **undoing**: the preparations are undone; the VM has stayed at its source.
 * - **asking** (reconciling): a process was restarted or did not answer. The hypervisor is asked where the VM runs and which
 *   steps are done, before any further step.
 *
 * Deadlines are values in the context, as in the policy's machine.
 */

import { setup } from 'xstate';
import type { FailureCode } from '../errors.ts';
import type { Phase, VmSpec } from '../events/index.ts';
import { PHASES } from '../events/index.ts';
import type { Measured } from '../hypervisor/hypervisor.ts';
import type { ActionOf } from '../state-machine/stepper.ts';

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
  readonly undo: { readonly by: string } | { readonly code: string; readonly reason: string } | null;
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
  | { readonly type: 'cancel'; readonly atMs: number; readonly by: string }
  | { readonly type: 'overdue'; readonly atMs: number }
  | { readonly type: 'restarted'; readonly atMs: number };

/** An output of the machine: an order for the hypervisor (`begin`, `abort`, `inspect`), or an event to publish. */
export type MigrationAction = ActionOf<MigrationMachine>;

/** The machine of a migration, with its states, events and actions as types. */
export type MigrationMachine = ReturnType<typeof migrationMachine>;

/** The final states. */
export const TERMINAL: readonly MigrationState[] = ['completed', 'failed', 'cancelled'];

type PhaseTimes = Migration['phaseAtMs'];
/** Notes when a phase was entered. By name, because a computed member costs more than all the rest of a step. */
const ENTERED: Readonly<Record<Phase, (times: PhaseTimes, atMs: number) => PhaseTimes>> = {
  prepare: (times, prepare) => ({ ...times, prepare }),
  announce: (times, announce) => ({ ...times, announce }),
  disk: (times, disk) => ({ ...times, disk }),
  memory: (times, memory) => ({ ...times, memory }),
  switch: (times, atMs) => ({ ...times, switch: atMs }),
  release: (times, release) => ({ ...times, release }),
};

/** The attempts of a release or an inspection before the migrator gives up. */
const MAX_RETRIES = 5;

/**
 * Makes the machine for all migrations; each has its own state and context. Pure: orders and events come back as actions.
 * @param queueMs how long a migration may wait for the limits
 * @param stepTimeoutMs how long a step may be silent
 */
export function migrationMachine({ queueMs, stepTimeoutMs }: { queueMs: number; stepTimeoutMs: number }) {
  const { assign, createMachine } = setup({
    types: { context: {} as Migration, events: {} as MigrationEvent, input: {} as Migration },
    // These actions are data. The caller of the stepper gives the orders and publishes the events.
    actions: {
      begin: (_, _params: { step: Phase }) => {},
      abort: () => {},
      inspect: () => {},
      say: (_, _params: { what: 'started' | 'switched' | 'completed' | 'failed' | 'cancelled' }) => {},
    },
  });

  type Args = { context: Migration; event: MigrationEvent };
  type EventOf<T extends MigrationEvent['type']> = Extract<MigrationEvent, { type: T }>;
  const inspected = ({ event }: Args) => event as EventOf<'inspected'>;
  const retriesExhausted = ({ context }: Args) => context.retries >= MAX_RETRIES;

  const say = (what: 'started' | 'switched' | 'completed' | 'failed' | 'cancelled') =>
    ({ type: 'say', params: { what } }) as const;
  type Draft = { -readonly [K in keyof Migration]: Migration[K] };
  /** Changes the draft of the next context. `args` has the context before. */
  type Patch = (draft: Draft, args: Args) => void;
  /** Several patches as one action, which copies the context once. It assigns a whole context (see `stepper`). */
  const change = (...patches: Patch[]) =>
    assign((args) => {
      const draft: Draft = { ...args.context };
      for (const patch of patches) patch(draft, args);
      return draft;
    });
  const takeMeasured: Patch = (draft, { event }) => {
    if ('measured' in event) draft.measured = event.measured;
  };
  const setDeadline: Patch = (draft, { event }) => {
    draft.deadlineMs = event.atMs + stepTimeoutMs;
  };
  const resetRetries: Patch = (draft) => {
    draft.retries = 0;
  };
  const countRetry: Patch = (draft, { context }) => {
    draft.retries = context.retries + 1;
  };
  /** Bytes that moved since the last answer reset the count of inspections without progress. */
  const resetRetriesIfBytesMoved: Patch = (draft, { context, event }) => {
    if ((event as EventOf<'inspected'>).measured.bytes > context.measured.bytes) draft.retries = 0;
  };
  const phase =
    (step: Phase): Patch =>
    (draft, { context: { switchAtMs, phaseAtMs }, event }) => {
      draft.phase = step;
      if (phaseAtMs[step] === undefined) draft.phaseAtMs = ENTERED[step](phaseAtMs, event.atMs);
      const standsStill = step === 'switch' || step === 'release';
      if (standsStill) draft.switchAtMs = switchAtMs ?? event.atMs;
    };
  const undoBecause =
    (code: FailureCode, reason: string): Patch =>
    (draft) => {
      draft.undo = { code, reason };
    };
  const undoBecauseOfStep: Patch = (draft, { event }) => {
    const { code, reason } = event as EventOf<'stepFailed'>;
    draft.undo = { code, reason };
  };
  const undoBecauseCancelled: Patch = (draft, { event }) => {
    draft.undo = { by: (event as EventOf<'cancel'>).by };
  };
  const markSwitched: Patch = (draft, { context }) => {
    draft.switched = true;
    draft.runsAt = context.to;
  };
  const clearUndo: Patch = (draft) => {
    draft.undo = null;
  };
  const markStarted: Patch = (draft, { event }) => {
    draft.startedAtMs = event.atMs;
  };
  const markEnded: Patch = (draft, { event }) => {
    draft.deadlineMs = null;
    draft.endedAtMs = event.atMs;
  };
  const releaseIncomplete: Patch = (draft, { context, event }) => {
    const measured = 'measured' in event ? event.measured : context.measured;
    draft.measured = { ...measured, degraded: [...measured.degraded, 'release-incomplete'] };
  };

  const order = (step: Phase) => ({ type: 'begin', params: { step } }) as const;
  const begin = (step: Phase, ...patches: Patch[]) => [
    change(...patches, resetRetries, setDeadline, phase(step)),
    order(step),
  ];
  const releaseAgain = [change(countRetry, setDeadline), order('release')];
  const undo = (...patches: Patch[]) => [change(...patches, resetRetries, setDeadline), { type: 'abort' } as const];
  const inspect = [change(countRetry, setDeadline), { type: 'inspect' } as const];
  const inspectFirst = [change(resetRetries, setDeadline), { type: 'inspect' } as const];
  const end = (what: 'completed' | 'failed' | 'cancelled', ...patches: Patch[]) => [
    change(...patches, markEnded),
    say(what),
  ];

  const switchedOver = [say('switched'), ...begin('release', takeMeasured, markSwitched)];

  const doneWith = (step: Phase) => (args: Args) => args.event.type === 'done' && args.event.step === step;
  const failedAt = (step: Phase | 'abort') => (args: Args) =>
    args.event.type === 'stepFailed' && args.event.step === step;

  const died = (args: Args) =>
    failedAt('release')(args) && (args.event as EventOf<'stepFailed'>).code === 'VM_NOT_RUNNING';

  /** A step that can still be undone. */
  const reversible = (step: Phase, next: Phase) => ({
    on: {
      done: { guard: doneWith(step), target: next, actions: begin(next, takeMeasured) },
      stepFailed: { guard: failedAt(step), target: 'undoing' as const, actions: undo(takeMeasured, undoBecauseOfStep) },
      cancel: { target: 'undoing' as const, actions: undo(undoBecauseCancelled) },
      // The cause of silence is unknown: a first round can be long, and a path can be dead. So the moved bytes are inspected.
      overdue: { target: 'asking' as const, actions: inspect },
      restarted: { target: 'asking' as const, actions: inspectFirst },
    },
  });
  const nextStep = (args: Args): Phase => PHASES.find((step) => !inspected(args).done.includes(step)) ?? 'release';
  const runsAtSource = (args: Args) => inspected(args).runsAt === args.context.from;
  const runsAtDestination = (args: Args) => inspected(args).runsAt === args.context.to;
  return createMachine({
    id: 'migration',
    context: ({ input }) => input,
    initial: 'queued',
    states: {
      queued: {
        on: {
          admitted: {
            target: 'prepare',
            actions: [say('started'), ...begin('prepare', markStarted)],
          },
          cancel: {
            target: 'cancelled',
            actions: end('cancelled', undoBecauseCancelled),
          },
          // The record of the migration was refused.
          stepFailed: { target: 'failed', actions: end('failed', undoBecauseOfStep) },
          overdue: {
            target: 'failed',
            actions: end(
              'failed',
              undoBecause(
                'QUEUE_TIMEOUT',
                `limits.movesPerSite and limits.movesPerPath did not allow the move within ${queueMs} ms`,
              ),
            ),
          },
        },
      },
      prepare: reversible('prepare', 'announce'),
      announce: reversible('announce', 'disk'),
      disk: reversible('disk', 'memory'),
      memory: reversible('memory', 'switch'),
      switch: {
        on: {
          done: {
            guard: doneWith('switch'),
            target: 'release',
            actions: switchedOver,
          },
          stepFailed: { guard: failedAt('switch'), target: 'undoing', actions: undo(takeMeasured, undoBecauseOfStep) },
          overdue: { target: 'asking', actions: inspect },
          restarted: { target: 'asking', actions: inspectFirst },
        },
      },
      release: {
        on: {
          done: { guard: doneWith('release'), target: 'completed', actions: end('completed', takeMeasured) },
          stepFailed: [
            // The VM has died at its destination, so another attempt is useless.
            { guard: died, target: 'failed', actions: end('failed', takeMeasured, undoBecauseOfStep) },
            { guard: retriesExhausted, target: 'completed', actions: end('completed', releaseIncomplete) },
            { guard: failedAt('release'), actions: releaseAgain },
          ],
          overdue: [
            { guard: retriesExhausted, target: 'completed', actions: end('completed', releaseIncomplete) },
            { actions: releaseAgain },
          ],
          restarted: { target: 'asking', actions: inspectFirst },
        },
      },
      undoing: {
        on: {
          aborted: [
            {
              guard: ({ context }) => context.undo !== null && 'by' in context.undo,
              target: 'cancelled',
              actions: end('cancelled', takeMeasured),
            },
            { target: 'failed', actions: end('failed', takeMeasured) },
          ],
          // Undoing failed: the VM may have switched over, or nothing may be left to undo.
          stepFailed: { guard: failedAt('abort'), target: 'asking', actions: inspect },
          overdue: { target: 'asking', actions: inspect },
          restarted: { target: 'asking', actions: inspectFirst },
        },
      },
      asking: {
        on: {
          inspected: [
            {
              guard: (args) => runsAtDestination(args) && !args.context.switched,
              target: 'release',
              actions: switchedOver,
            },
            { guard: runsAtDestination, target: 'release', actions: begin('release', takeMeasured) },
            {
              guard: (args) => inspected(args).onlyForward === true,
              target: 'switch',
              actions: begin('switch', takeMeasured, clearUndo),
            },
            // The VM has died at its destination. The release goes on, and its failure tells operators what to do.
            {
              guard: (args) => inspected(args).runsAt === undefined && inspected(args).underWay === 'release',
              target: 'release',
              actions: begin('release', takeMeasured, markSwitched),
            },
            // The retries are exhausted. Undo, if that was not begun; else report the migration as it stands.
            {
              guard: (args) => retriesExhausted(args) && args.context.undo === null,
              target: 'undoing',
              actions: undo(takeMeasured, undoBecause('STUCK', STUCK_REASON)),
            },
            {
              guard: (args) => retriesExhausted(args) && inspected(args).runsAt === undefined,
              target: 'failed',
              actions: end('failed', takeMeasured, undoBecause('VM_NOT_RUNNING', NOT_RUNNING_REASON)),
            },
            { guard: retriesExhausted, target: 'failed', actions: end('failed', takeMeasured) },
            // Also where the VM runs nowhere: a VM stopped half-way through its switch-over resumes at its source.
            {
              guard: ({ context }) => context.undo !== null,
              target: 'undoing',
              actions: [change(takeMeasured, countRetry, setDeadline), { type: 'abort' } as const],
            },
            // An answer is still to come, or the next step was recorded but never ordered. Ordering it again is harmless.
            ...PHASES.map((step) => ({
              guard: (args: Args) =>
                (runsAtSource(args) || inspected(args).underWay === 'switch') &&
                (inspected(args).underWay ?? nextStep(args)) === step,
              target: step,
              actions: [change(resetRetriesIfBytesMoved, takeMeasured, setDeadline, phase(step)), order(step)],
            })),
          ],
          // Once the switch-over is recorded its progress is unknown: from there on only forward.
          cancel: {
            guard: ({ context }) => context.phase !== 'switch' && context.phase !== 'release',
            actions: change(undoBecauseCancelled),
          },
          overdue: [
            {
              guard: retriesExhausted,
              target: 'failed',
              actions: end('failed', undoBecause('HYPERVISOR_SILENT', SILENT_REASON)),
            },
            { actions: inspect },
          ],
          restarted: { actions: inspectFirst },
        },
      },
      completed: { type: 'final' },
      failed: { type: 'final' },
      cancelled: { type: 'final' },
    },
  });
}

const STUCK_REASON = 'the step did not end and moved no bytes; check both sites and the paths between them';
const NOT_RUNNING_REASON =
  'the VM runs at neither site; declare it at the site that still has its disk, and it starts there again';
const SILENT_REASON = 'neither site answers; look at both, then declare the VM where it runs';
