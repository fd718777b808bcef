/** The changes that the transitions of a migration make to its context. */
import type { FailureCode } from '../errors.ts';
import type { Phase } from '../events/index.ts';
import type { Args, EventOf, Migration } from './context.ts';

/** The times that the machine allows. */
export interface MachineLimits {
  /** How long a migration may wait for the limits. */
  readonly queueMs: number;
  /** How long a step may be silent. */
  readonly stepTimeoutMs: number;
}

type Draft = { -readonly [K in keyof Migration]: Migration[K] };

/** Changes the draft of the next context. `args` has the context before. */
export type Change = (draft: Draft, args: Args, limits: MachineLimits) => void;

/** The next context. Several changes copy the context once. */
export function changed(args: Args, changes: readonly Change[], limits: MachineLimits): Migration {
  const draft: Draft = { ...args.context };
  for (const change of changes) change(draft, args, limits);
  return draft;
}

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

/** Does nothing where the event has no measurements. */
export const takeMeasured: Change = (draft, { event }) => {
  if ('measured' in event) draft.measured = event.measured;
};
/** The deadline of a step or an inspection. */
export const setDeadline: Change = (draft, { event }, { stepTimeoutMs }) => {
  draft.deadlineMs = event.atMs + stepTimeoutMs;
};

/** The step, or the inspection, begins for the first time. */
export const resetRetries: Change = (draft) => {
  draft.retries = 0;
};
/** The step, or the inspection, begins again. */
export const countRetry: Change = (draft, { context }) => {
  draft.retries = context.retries + 1;
};
/** Bytes that moved since the last answer reset the count of inspections without progress. */
export const resetRetriesIfBytesMoved: Change = (draft, { context, event }) => {
  if ((event as EventOf<'inspected'>).measured.bytes > context.measured.bytes) draft.retries = 0;
};

/** The migration enters a phase. */
export const enter =
  (step: Phase): Change =>
  (draft, { context: { switchAtMs, phaseAtMs }, event }) => {
    draft.phase = step;
    if (phaseAtMs[step] === undefined) draft.phaseAtMs = ENTERED[step](phaseAtMs, event.atMs);
    const standsStill = step === 'switch' || step === 'release';
    if (standsStill) draft.switchAtMs = switchAtMs ?? event.atMs;
  };
/** The migration leaves the queue. */
export const markStarted: Change = (draft, { event }) => {
  draft.startedAtMs = event.atMs;
};
/** The VM runs at its destination. */
export const markSwitched: Change = (draft, { context }) => {
  draft.switched = true;
  draft.runsAt = context.to;
};
/** The migration ends. */
export const markEnded: Change = (draft, { event }) => {
  draft.deadlineMs = null;
  draft.endedAtMs = event.atMs;
};
/** The migration ends though its release was not confirmed. */
export const releaseIncomplete: Change = (draft, { context, event }) => {
  const measured = 'measured' in event ? event.measured : context.measured;
  draft.measured = { ...measured, degraded: [...measured.degraded, 'release-incomplete'] };
};

/** The migration is undone, or fails, for a reason of the migrator. */
export const undoBecause =
  (code: FailureCode, reason: string): Change =>
  (draft) => {
    draft.undo = { code, reason };
  };
/** The limits did not allow the migration in time. */
export const undoBecauseOfQueue: Change = (draft, _, { queueMs }) => {
  const reason = `limits.movesPerSite and limits.movesPerPath did not allow the move within ${queueMs} ms`;
  draft.undo = { code: 'QUEUE_TIMEOUT' satisfies FailureCode, reason };
};
/** A step has failed. */
export const undoBecauseOfStep: Change = (draft, { event }) => {
  const { code, reason } = event as EventOf<'stepFailed'>;
  draft.undo = { code, reason };
};
/** An operator or the policy cancels the migration. */
export const undoBecauseCancelled: Change = (draft, { event }) => {
  const { by, name } = event as EventOf<'cancel'>;
  draft.undo = name === undefined ? { by } : { by, name };
};
/** The migration goes forward after all. */
export const clearUndo: Change = (draft) => {
  draft.undo = null;
};
