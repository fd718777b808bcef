import type { Fact } from '#shared/events/index.ts';
import type { Placement } from '#shared/policy/placement.ts';
import type { ServingWatcher } from '../serving.ts';

/** Observes a run, to collect data for a report. It must not change the objects that it receives. */
export interface Watcher extends ServingWatcher {
  /** Called before the first site is declared. */
  begin(placement: Placement, fromMs: number): void;
  /** Called for every decision and every migration event, in order. */
  fact(fact: Fact): void;
  /** Called for every position that counted. */
  located(fix: { readonly lat: number; readonly lon: number }): void;
  /** Called after the last position. The facts of moves that are still under way follow. */
  end(toMs: number): void;
}
