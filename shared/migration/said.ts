/** What is said of a migration on the bus. */
import type { Fact, Figures } from '../events/index.ts';
import type { Migration } from './machine.ts';

/** A fact with the id under which it is the same however often it is published. */
export interface Said {
  readonly id: string;
  readonly fact: Fact;
}

/** How a migration is named in every event about it. */
export function names({ id, vm, from, to }: Migration) {
  return { migration: id, vm, from, to };
}

/** What a migration cost that ends now. What a client saw itself overrules what the hypervisor thinks that it saw. */
export function figures({ measured, startedAtMs, clientGapMs }: Migration, atMs: number): Figures {
  return {
    ...measured,
    ...(clientGapMs !== null && { clientGapMs, interruptionMs: clientGapMs }),
    durationMs: startedAtMs === null ? 0 : atMs - startedAtMs,
  };
}

/** The event that says what has become of a migration. */
export function said(
  migration: Migration,
  what: 'started' | 'switched' | 'completed' | 'failed' | 'cancelled',
  atMs: number,
): Said {
  const { id, phase, undo, measured, paths, runsAt } = migration;
  const data = { ...names(migration), atMs };
  // One id for whichever end it is: a second one would be dropped as a repeat.
  const end = { id: `${id}:end`, figures: figures(migration, atMs) };
  switch (what) {
    case 'started':
      return { id: `${id}:started`, fact: { type: 'migration.started.v1', data: { ...data, paths: [...paths] } } };
    case 'switched':
      return {
        id: `${id}:switched`,
        fact: { type: 'migration.switched.v1', data: { ...data, pauseMs: measured.pauseMs } },
      };
    case 'completed':
      return { id: end.id, fact: { type: 'migration.completed.v1', data: { ...data, figures: end.figures } } };
    case 'cancelled': {
      const by = undo && 'by' in undo ? undo.by : 'unknown';
      return {
        id: end.id,
        fact: { type: 'migration.cancelled.v1', data: { ...data, phase, by, figures: end.figures } },
      };
    }
    case 'failed': {
      const { code, reason } = undo && 'code' in undo ? undo : { code: 'UNKNOWN', reason: 'no reason was given' };
      return {
        id: end.id,
        fact: { type: 'migration.failed.v1', data: { ...data, phase, code, reason, runsAt, figures: end.figures } },
      };
    }
  }
}
