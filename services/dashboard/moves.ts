/** The moves of the last hour, now and at any instant of it. */
import type { Event } from '#shared/events/index.ts';
import { type EndFact, endOf, isEnd } from '#shared/migration/outcome.ts';
import type { MoveView } from './wire.ts';

/** The most stored steps of one move. If there are more, every other step of the first half is dropped. */
const MOST_STEPS = 32;
/** The most stored moves. Each has up to 32 steps of 300 bytes, so 20 MB at most. */
const MOST_MOVES = 2_000;

interface Kept {
  view: MoveView;
  /** The views at earlier instants, in the order of time. */
  steps: { readonly atMs: number; readonly view: MoveView }[];
}

type MigrationEvent = Extract<Event, { type: `migration.${string}` }>;

/** The moves of the last hour. */
export class Moves {
  readonly #kept = new Map<string, Kept>();
  readonly #changed = new Set<string>();

  /** Applies a migration event. A repeated event, or an event after the end, changes nothing. */
  apply(event: MigrationEvent): void {
    const { migration, vm, from, to, atMs, orderedBy } = event.data;
    const ordered = orderedBy === undefined ? {} : { orderedBy };
    const kept = this.#kept.get(migration) ?? this.#begin(migration, { vm, from, to, atMs, ...ordered });
    const { view } = kept;
    if (view.outcome !== null) return;
    const next = after(view, event);
    // The event arrived after a later one.
    if (next === undefined) return;
    kept.view = next;
    kept.steps.push({ atMs, view: next });
    if (kept.steps.length > MOST_STEPS) kept.steps = kept.steps.filter((_, i) => i > MOST_STEPS / 2 || i % 2 === 0);
    this.#changed.add(migration);
  }

  /** Drops moves that ended before an instant, and the oldest ended moves if there are too many. */
  forget(beforeMs: number): void {
    let excess = this.#kept.size - MOST_MOVES;
    for (const [migration, { view }] of this.#kept) {
      if (view.endedAtMs === null || (view.endedAtMs >= beforeMs && excess <= 0)) continue;
      this.#kept.delete(migration);
      this.#changed.delete(migration);
      excess--;
    }
  }

  all(): MoveView[] {
    return [...this.#kept.values()].map(({ view }) => view);
  }

  /** The changes since the last call. */
  changes(): MoveView[] {
    const changed = [...this.#changed].map((migration) => this.#kept.get(migration)!.view);
    this.#changed.clear();
    return changed;
  }

  /** The moves at an instant, without those that had not begun. */
  past(atMs: number): MoveView[] {
    return [...this.#kept.values()].flatMap(({ steps }) => steps.findLast((step) => step.atMs <= atMs)?.view ?? []);
  }

  #begin(
    migration: string,
    { atMs, ...names }: Pick<MoveView, 'vm' | 'from' | 'to' | 'orderedBy'> & { atMs: number },
  ): Kept {
    const nothing = { paths: [], sentBytes: 0, remainingBytes: null, rateBps: 0, subflows: 0, bytesByPath: {} };
    const open = { switchedAtMs: null, endedAtMs: null, outcome: null, because: '', figures: null };
    const kept: Kept = {
      view: { migration, ...names, orderedAtMs: atMs, phase: 'ordered', ...nothing, ...open },
      steps: [],
    };
    this.#kept.set(migration, kept);
    return kept;
  }
}

/** The view of a move after an event; undefined if the event changes nothing. */
function after(view: MoveView, event: MigrationEvent): MoveView | undefined {
  if (isEnd(event)) return ended(view, event);
  switch (event.type) {
    case 'migration.accepted.v1':
      return view.phase === 'ordered' ? { ...view, phase: 'queued' } : undefined;
    case 'migration.started.v1':
      return view.paths.length > 0 ? undefined : { ...view, phase: 'prepare', paths: event.data.paths };
    case 'migration.progressed.v1': {
      const { phase, sentBytes, remainingBytes, rateBps, subflows, bytesByPath = {} } = event.data;
      if (view.switchedAtMs !== null || sentBytes < view.sentBytes) return undefined;
      return { ...view, phase, sentBytes, remainingBytes, rateBps, subflows, bytesByPath };
    }
    case 'migration.switched.v1':
      return { ...view, phase: 'release', switchedAtMs: event.data.atMs, remainingBytes: 0, rateBps: 0 };
  }
}

function ended(view: MoveView, event: EndFact): MoveView {
  const { atMs, figures } = event.data;
  const { outcome, because } = endOf(event);
  const cancelledBy = event.type === 'migration.cancelled.v1' ? event.data.cancelledBy : undefined;
  const cancelled = cancelledBy === undefined ? {} : { cancelledBy };
  const { durationMs, pauseMs, interruptionMs, degraded, bytes, bytesByPath, subflows } = figures;
  return {
    ...view,
    endedAtMs: atMs,
    rateBps: 0,
    sentBytes: bytes,
    ...(subflows > 0 && { subflows }),
    ...(Object.keys(bytesByPath).length > 0 && { bytesByPath }),
    ...(outcome === 'completed' && { remainingBytes: 0 }),
    figures: { durationMs, pauseMs, interruptionMs, degraded },
    phase: outcome,
    outcome,
    because,
    ...cancelled,
  };
}
