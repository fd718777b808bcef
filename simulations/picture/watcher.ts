import type { Data, Fact } from '#shared/events/index.ts';
import type { Placement } from '#shared/policy/placement.ts';
import type { Vm } from '#shared/policy/vm.ts';

/** Sees more of a run than its facts, for reports. What it is shown is not its own to change. */
export interface Watcher {
  /** Before anything happens. */
  begin(placement: Placement, fromMs: number): void;
  /** Every decision and every migration event, in order. */
  fact(fact: Fact): void;
  /** A position that counted. */
  located(fix: { readonly lat: number; readonly lon: number }): void;
  /** A VM served a user for so many weighted user-seconds, up to `atMs`, at this round-trip time. */
  served(vm: Vm, atMs: number, userS: number, rttMs: number): void;
  /** A VM has switched over; all that it served at its old site has been told. */
  switched(switched: Data<'migration.switched.v1'>): void;
  /** After the last position. Moves that are under way are still brought to their end, and told of. */
  end(toMs: number): void;
}
