import type { Random } from '#shared/random/random.ts';
import type { Area, Place } from './area.ts';

/** Numbers by name, as `--generate` takes them; units are in the names. */
export type Parameters<Name extends string = string> = Readonly<Record<Name, number>>;

/** The parameters that all generators have. */
export interface Common {
  readonly users: number;
  readonly steps: number;
  readonly stepS: number;
}

/** A model of how people move. */
export interface Generator {
  /** Every parameter of its own with the value that it has unless another is given. */
  readonly defaults: Parameters & Common;
  /** The next user's way: a place for every step. Users are drawn one after the other from one generator. */
  walk(parameters: Parameters, area: Area, random: Random, user: number): readonly Place[];
}
