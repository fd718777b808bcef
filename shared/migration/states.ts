/** The states of a migration's machine, with their transitions. `machine.ts` shows them as a picture. */
import type { Phase } from '../events/index.ts';
import { PHASES } from '../events/index.ts';
import {
  type Change,
  clearUndo,
  countRetry,
  enter,
  markEnded,
  markStarted,
  markSwitched,
  releaseIncomplete,
  resetRetries,
  resetRetriesIfBytesMoved,
  setDeadline,
  takeMeasured,
  undoBecause,
  undoBecauseCancelled,
  undoBecauseOfQueue,
  undoBecauseOfStep,
} from './changes.ts';

/** The events that the machine publishes. */
export type EventKind = 'started' | 'switched' | 'completed' | 'failed' | 'cancelled';

const STUCK_REASON = 'the step did not end and moved no bytes; check both sites and the paths between them';
const NOT_RUNNING_REASON =
  'the VM runs at neither site; declare it at the site that still has its disk, and it starts there again';
const SILENT_REASON = 'neither site answers; look at both, then declare the VM where it runs';

const change = (...changes: Change[]) => ({ type: 'change', params: { changes } }) as const;
const say = (what: EventKind) => ({ type: 'say', params: { what } }) as const;
const order = (step: Phase) => ({ type: 'begin', params: { step } }) as const;
const orderAbort = { type: 'abort' } as const;
const orderInspection = { type: 'inspect' } as const;

const begin = (step: Phase, ...changes: Change[]) => [
  change(...changes, resetRetries, setDeadline, enter(step)),
  order(step),
];
const releaseAgain = [change(countRetry, setDeadline), order('release')];
const switchedOver = [say('switched'), ...begin('release', takeMeasured, markSwitched)];
const undo = (...changes: Change[]) => [change(...changes, resetRetries, setDeadline), orderAbort];
const inspect = [change(countRetry, setDeadline), orderInspection];
const inspectFirst = [change(resetRetries, setDeadline), orderInspection];
const end = (what: 'completed' | 'failed' | 'cancelled', ...changes: Change[]) => [
  change(...changes, markEnded),
  say(what),
];

const isDone = <Step extends Phase>(step: Step) => ({ type: 'isDone', params: { step } }) as const;
const hasFailed = <Step extends Phase | 'abort'>(step: Step) => ({ type: 'hasFailed', params: { step } }) as const;

/** A process was restarted: the machine asks the hypervisor before any further step. */
const restarted = { target: 'asking', actions: inspectFirst } as const;
/** The cause of silence is unknown: a first round can be long, and a path can be dead. So the moved bytes are inspected. */
const overdue = { target: 'asking', actions: inspect } as const;
const undoFailed = (step: Phase) =>
  ({ guard: hasFailed(step), target: 'undoing', actions: undo(takeMeasured, undoBecauseOfStep) }) as const;

const queued = {
  on: {
    admitted: { target: 'prepare', actions: [say('started'), ...begin('prepare', markStarted)] },
    cancel: { target: 'cancelled', actions: end('cancelled', undoBecauseCancelled) },
    // The record of the migration was refused.
    stepFailed: { target: 'failed', actions: end('failed', undoBecauseOfStep) },
    overdue: { target: 'failed', actions: end('failed', undoBecauseOfQueue) },
  },
} as const;

/** A step that can still be undone. */
const reversible = (step: Phase, next: Phase) =>
  ({
    on: {
      done: { guard: isDone(step), target: next, actions: begin(next, takeMeasured) },
      stepFailed: undoFailed(step),
      cancel: { target: 'undoing', actions: undo(undoBecauseCancelled) },
      overdue,
      restarted,
    },
  }) as const;

/** The switch-over can be undone if it fails, but no longer be cancelled. */
const switching = {
  on: {
    done: { guard: isDone('switch'), target: 'release', actions: switchedOver },
    stepFailed: undoFailed('switch'),
    overdue,
    restarted,
  },
} as const;

const releasing = {
  on: {
    done: { guard: isDone('release'), target: 'completed', actions: end('completed', takeMeasured) },
    stepFailed: [
      { guard: 'vmHasDied', target: 'failed', actions: end('failed', takeMeasured, undoBecauseOfStep) },
      { guard: 'retriesExhausted', target: 'completed', actions: end('completed', releaseIncomplete) },
      { guard: hasFailed('release'), actions: releaseAgain },
    ],
    overdue: [
      { guard: 'retriesExhausted', target: 'completed', actions: end('completed', releaseIncomplete) },
      { actions: releaseAgain },
    ],
    restarted,
  },
} as const;

const undoing = {
  on: {
    aborted: [
      { guard: 'isCancelled', target: 'cancelled', actions: end('cancelled', takeMeasured) },
      { target: 'failed', actions: end('failed', takeMeasured) },
    ],
    // Undoing failed: the VM may have switched over, or nothing may be left to undo.
    stepFailed: { guard: hasFailed('abort'), target: 'asking', actions: inspect },
    overdue,
    restarted,
  },
} as const;

/** The transitions after the answer to an inspection: the first one whose guard holds is taken. */
const answered = [
  { guard: 'hasArrived', target: 'release', actions: switchedOver },
  { guard: 'runsAtDestination', target: 'release', actions: begin('release', takeMeasured) },
  { guard: 'goesOnlyForward', target: 'switch', actions: begin('switch', takeMeasured, clearUndo) },
  { guard: 'diedDuringRelease', target: 'release', actions: begin('release', takeMeasured, markSwitched) },
  // The retries are exhausted. Undo, if that was not begun; else report the migration as it stands.
  { guard: 'isStuck', target: 'undoing', actions: undo(takeMeasured, undoBecause('STUCK', STUCK_REASON)) },
  {
    guard: 'isStuckAndRunsNowhere',
    target: 'failed',
    actions: end('failed', takeMeasured, undoBecause('VM_NOT_RUNNING', NOT_RUNNING_REASON)),
  },
  { guard: 'retriesExhausted', target: 'failed', actions: end('failed', takeMeasured) },
  // Also where the VM runs nowhere: a VM stopped half-way through its switch-over resumes at its source.
  {
    guard: 'isBeingUndone',
    target: 'undoing',
    actions: [change(takeMeasured, countRetry, setDeadline), orderAbort],
  },
  // An answer is still to come, or the next step was recorded but never ordered. Ordering it again is harmless.
  ...PHASES.map(
    (step) =>
      ({
        guard: { type: 'isNext', params: { step } },
        target: step,
        actions: [change(resetRetriesIfBytesMoved, takeMeasured, setDeadline, enter(step)), order(step)],
      }) as const,
  ),
] as const;

const asking = {
  on: {
    inspected: answered,
    // Once the switch-over is recorded its progress is unknown: from there on only forward.
    cancel: { guard: 'isBeforeSwitchOver', actions: change(undoBecauseCancelled) },
    overdue: [
      {
        guard: 'retriesExhausted',
        target: 'failed',
        actions: end('failed', undoBecause('HYPERVISOR_SILENT', SILENT_REASON)),
      },
      { actions: inspect },
    ],
    restarted: { actions: inspectFirst },
  },
} as const;

/** All states by name. Their guards and actions are names that the machine's `setup` declares. */
export const states = {
  queued,
  prepare: reversible('prepare', 'announce'),
  announce: reversible('announce', 'disk'),
  disk: reversible('disk', 'memory'),
  memory: reversible('memory', 'switch'),
  switch: switching,
  release: releasing,
  undoing,
  asking,
  completed: { type: 'final' },
  failed: { type: 'final' },
  cancelled: { type: 'final' },
} as const;
