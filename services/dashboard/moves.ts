/** Moves from the order to the end, and those of the last hour as they were at any instant of it. */
import type { Event } from '#shared/events/index.ts';
import { type EndFact, endOf, isEnd } from '#shared/migration/outcome.ts';
import type { MoveView } from './wire.ts';

/** Steps kept of one move; where there are more, every other one of the first half is dropped. */
const MOST_STEPS = 32;
/** Moves of the last hour that are kept; 32 steps of 300 bytes each, so 20 MB at most. */
const MOST_MOVES = 2_000;

interface Kept {
  view: MoveView;
  /** The views at earlier instants, ascending. */
  steps: { readonly atMs: number; readonly view: MoveView }[];
}

type MigrationEvent = Extract<Event, { type: `migration.${string}` }>;

/** The moves of the last hour. */
export class Moves {
  readonly #kept = new Map<string, Kept>();
  readonly #changed = new Set<string>();

  /** Takes a migration event. A repeat, or one after the end, changes nothing. */
  apply(event: MigrationEvent): void {
    const { migration, vm, from, to, atMs } = event.data;
    const kept = this.#kept.get(migration) ?? this.#begin(migration, { vm, from, to, atMs });
    const { view } = kept;
    if (view.outcome !== null) return;
    const next = after(view, event);
    // A step that came on another way after a later one.
    if (next === undefined) return;
    kept.view = next;
    kept.steps.push({ atMs, view: next });
    if (kept.steps.length > MOST_STEPS) kept.steps = kept.steps.filter((_, i) => i > MOST_STEPS / 2 || i % 2 === 0);
    this.#changed.add(migration);
  }

  /** Forgets what ended more than so long ago, and the oldest where there are too many. */
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

  /** As they were at an instant: those that had not begun are missing. */
  past(atMs: number): MoveView[] {
    return [...this.#kept.values()].flatMap(({ steps }) => steps.findLast((step) => step.atMs <= atMs)?.view ?? []);
  }

  #begin(migration: string, { vm, from, to, atMs }: Pick<MoveView, 'vm' | 'from' | 'to'> & { atMs: number }): Kept {
    const nothing = { paths: [], sentBytes: 0, remainingBytes: null, rateBps: 0, subflows: 0, bytesByPath: {} };
    const open = { switchedAtMs: null, endedAtMs: null, outcome: null, because: '', figures: null };
    const kept: Kept = {
      view: { migration, vm, from, to, orderedAtMs: atMs, phase: 'ordered', ...nothing, ...open },
      steps: [],
    };
    this.#kept.set(migration, kept);
    return kept;
  }
}

/** A move after an event; undefined where the event says nothing new. */
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
  };
}
