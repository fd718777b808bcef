/** The events about a migration that are published on the bus. */

import type { FailureCode } from '../errors.ts';
import { MAX_REASON, MAX_WORD } from '../events/bounds.ts';
import { type Fact, type Figures, PHASES } from '../events/index.ts';
import type { Report } from '../hypervisor/hypervisor.ts';
import { foreignText } from '../text.ts';
import type { Migration } from './context.ts';

/** A fact with its id, which is the same each time it is published. */
export interface OutgoingEvent {
  readonly id: string;
  /** When the migration was decided. The id and this time identify its trace. */
  readonly decidedAtMs: number;
  readonly fact: Extract<Fact, { type: `migration.${string}` }>;
}

/** The fields that identify a migration in each event. */
function names({ id, vm, from, to, orderedBy }: Migration) {
  return orderedBy === undefined ? { migration: id, vm, from, to } : { migration: id, vm, from, to, orderedBy };
}

/** The measured costs of a migration that ends now. A gap that clients measured replaces the hypervisor's estimate. */
function figures({ measured, startedAtMs, phaseAtMs, clientGapMs }: Migration, atMs: number): Figures {
  return {
    ...measured,
    ...(clientGapMs !== null && { clientGapMs, interruptionMs: clientGapMs }),
    phaseMs: phasesOf(phaseAtMs, atMs),
    durationMs: startedAtMs === null ? 0 : Math.max(0, atMs - startedAtMs),
  };
}

/** The duration of each entered phase. The last one lasts until the end. */
function phasesOf(phaseAtMs: Migration['phaseAtMs'], endedAtMs: number): NonNullable<Figures['phaseMs']> {
  const phaseMs: NonNullable<Figures['phaseMs']> = {};
  let untilMs = endedAtMs;
  for (let i = PHASES.length - 1; i >= 0; i--) {
    const atMs = phaseAtMs[PHASES[i]!];
    if (atMs === undefined) continue;
    // After a restart in another process the clock may be another one.
    phaseMs[PHASES[i]!] = Math.max(0, untilMs - atMs);
    untilMs = atMs;
  }
  return phaseMs;
}

/** The event for the progress of a migration. */
export function toProgress(
  migration: Migration,
  report: Extract<Report, { kind: 'progress' }>,
  atMs: number,
): OutgoingEvent {
  const { step, measured, remainingBytes, rateBps } = report;
  return {
    // The id includes the time, because a step that restarts after a crash repeats its round numbers.
    id: `${migration.id}:${step}:${measured.rounds}:${atMs}`,
    decidedAtMs: migration.acceptedAtMs,
    fact: {
      type: 'migration.progressed.v1',
      data: {
        ...names(migration),
        atMs,
        phase: step,
        round: measured.rounds,
        sentBytes: measured.bytes,
        remainingBytes,
        rateBps,
        subflows: measured.subflows,
        bytesByPath: measured.bytesByPath,
      },
    },
  };
}

/** The event for a new state of a migration. */
export function toEvent(
  migration: Migration,
  what: 'accepted' | 'started' | 'switched' | 'completed' | 'failed' | 'cancelled',
  atMs: number,
): OutgoingEvent {
  const { id, phase, undo, measured, paths, runsAt } = migration;
  const common = { ...names(migration), atMs };
  const decidedAtMs = migration.acceptedAtMs;
  // All terminal events of a migration have the same id, so that the bus drops a second one as a repeat.
  const endId = `${id}:end`;
  switch (what) {
    case 'accepted':
      return { id: `${id}:accepted`, decidedAtMs, fact: { type: 'migration.accepted.v1', data: common } };
    case 'started':
      return {
        id: `${id}:started`,
        decidedAtMs,
        fact: { type: 'migration.started.v1', data: { ...common, paths: [...paths] } },
      };
    case 'switched':
      return {
        id: `${id}:switched`,
        decidedAtMs,
        fact: { type: 'migration.switched.v1', data: { ...common, pauseMs: measured.pauseMs } },
      };
    case 'completed':
      return {
        id: endId,
        decidedAtMs,
        fact: { type: 'migration.completed.v1', data: { ...common, figures: figures(migration, atMs) } },
      };
    case 'cancelled': {
      const cancel = undo && 'by' in undo ? undo : { by: 'unknown' };
      const by = foreignText(cancel.by, MAX_REASON);
      const name = 'name' in cancel ? { cancelledBy: cancel.name } : {};
      return {
        id: endId,
        decidedAtMs,
        fact: {
          type: 'migration.cancelled.v1',
          data: { ...common, phase, by, ...name, figures: figures(migration, atMs) },
        },
      };
    }
    case 'failed': {
      const given = whyFailed(migration);
      const code = foreignText(given.code, MAX_WORD);
      const reason = foreignText(given.reason, MAX_REASON);
      const data = { ...common, phase, code, reason, runsAt, figures: figures(migration, atMs) };
      return { id: endId, decidedAtMs, fact: { type: 'migration.failed.v1', data } };
    }
  }
}

/** A cancelled migration fails if its preparations cannot be undone: the reason then names who cancelled it. */
function whyFailed({ undo, from, to }: Migration): { readonly code: string; readonly reason: string } {
  if (undo === null) return { code: 'INTERNAL' satisfies FailureCode, reason: 'no reason was recorded' };
  if ('code' in undo) return undo;
  const reason = `cancelled by ${undo.by}, but not undone: look for what is left of it at ${from} and ${to}`;
  return { code: 'UNDO_FAILED' satisfies FailureCode, reason };
}
