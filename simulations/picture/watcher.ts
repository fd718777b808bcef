import type { Fact } from '#shared/events/index.ts';
import type { Placement } from '#shared/policy/placement.ts';
import type { ServingWatcher } from '../serving.ts';

/** Sees more of a run than its facts, for reports. What it is shown is not its own to change. */
export interface Watcher extends ServingWatcher {
  /** Before anything happens. */
  begin(placement: Placement, fromMs: number): void;
  /** Every decision and every migration event, in order. */
  fact(fact: Fact): void;
  /** A position that counted. */
  located(fix: { readonly lat: number; readonly lon: number }): void;
  /** After the last position. Moves that are under way are still brought to their end, and told of. */
  end(toMs: number): void;
}
