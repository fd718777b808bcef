import type { Presence } from '#shared/policy/state/presence.ts';
import type { Random } from '#shared/random/random.ts';
import type { Area, Place } from './area.ts';

/** Numbers by name, as `--generate` takes them. Units are part of the names. */
export type Parameters<Name extends string = string> = Readonly<Record<Name, number>>;

/** The parameters that all generators have. */
export interface Common {
  readonly users: number;
  readonly steps: number;
  readonly stepS: number;
}

/** A mobility model whose users all report at every step. */
export interface Generator {
  /** All parameters, with their default values. */
  readonly defaults: Parameters & Common;
  /** Draws the places of the next user, one for each step. All users are drawn one after the other from one source of randomness. */
  walk(parameters: Parameters, area: Area, random: Random, user: number): readonly Place[];
}

/** One report of a user. */
export interface PresenceEvent {
  /** Seconds since the beginning of the trace. */
  readonly atS: number;
  readonly place: Place;
  readonly presence: Presence;
}

/** A mobility model whose users report only events. */
export interface EventGenerator {
  readonly defaults: Parameters & Common;
  /** Draws the reports of the next user, in order of time, within `steps` × `stepS`. */
  events(parameters: Parameters, area: Area, random: Random, user: number): readonly PresenceEvent[];
}
