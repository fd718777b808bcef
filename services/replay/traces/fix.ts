import type { Presence } from '#shared/policy/state/presence.ts';

/** A recorded position of a user. */
export interface Fix {
  /** Fit for the event schema (see `names.ts`). */
  readonly user: string;
  /** Whole milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** Degrees, finite, but not checked for their range. */
  readonly lat: number;
  readonly lon: number;
  /** The meaning of silence after it; left out where the trace does not say. */
  readonly presence?: Presence;
}
