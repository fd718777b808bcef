/** The figures of a run for statistics over seeds and for CSV, by name. The unit is part of the name. */
import type { RunResult } from './engine.ts';
import { totalOf } from './statistics.ts';

/** Reads each figure from a result. */
export const FIGURES = {
  totalUserMs: ({ cost }) => cost.totalUserMs,
  servingUserMs: ({ cost }) => cost.servingUserMs,
  movingUserMs: ({ cost }) => cost.movingUserMs,
  userHours: ({ cost }) => cost.userHours,
  meanExcessRttMs: ({ cost }) => cost.meanExcessRttMs,
  movesCompleted: ({ migrations }) => migrations.completed,
  movesCancelled: ({ migrations }) => migrations.cancelled,
  movesFailed: ({ migrations }) => totalOf(migrations.failed),
  movesBackWithin5Min: ({ migrations }) => migrations.pingPong,
  durationMeanMs: ({ migrations }) => migrations.durationMs.mean,
  durationP50Ms: ({ migrations }) => migrations.durationMs.p50,
  durationP95Ms: ({ migrations }) => migrations.durationMs.p95,
  pauseMeanMs: ({ migrations }) => migrations.pauseMs.mean,
  pauseP50Ms: ({ migrations }) => migrations.pauseMs.p50,
  pauseP95Ms: ({ migrations }) => migrations.pauseMs.p95,
  interruptionMeanMs: ({ migrations }) => migrations.interruptionMs.mean,
  interruptionP50Ms: ({ migrations }) => migrations.interruptionMs.p50,
  interruptionP95Ms: ({ migrations }) => migrations.interruptionMs.p95,
  movedBytes: ({ migrations }) => migrations.bytes,
} as const satisfies Record<string, (run: RunResult) => number>;

/** The name of a figure. */
export type Figure = keyof typeof FIGURES;
/** The names of all figures, in the order of the CSV. */
export const FIGURE_NAMES = Object.keys(FIGURES) as Figure[];

/** A value for each figure. */
export type ByFigure<T> = Readonly<Record<Figure, T>>;

/** Computes a value for each figure. */
export function byFigure<T>(of: (figure: Figure) => T): ByFigure<T> {
  return Object.fromEntries(FIGURE_NAMES.map((figure) => [figure, of(figure)])) as ByFigure<T>;
}
