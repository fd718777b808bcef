import type { Fact } from '#shared/events/index.ts';
import type { Placement } from '#shared/policy/placement.ts';
import type { ServingWatcher } from '../serving.ts';

/** Watches a run for reports. It must not change what it gets. */
export interface Watcher extends ServingWatcher {
  /** Before anything happens. */
  begin(placement: Placement, fromMs: number): void;
  /** Every decision and every migration event, in order. */
  fact(fact: Fact): void;
  /** A position that counted. */
  located(fix: { readonly lat: number; readonly lon: number }): void;
  /** After the last position. Moves under way still go on to their end, and their facts follow. */
  end(toMs: number): void;
}
