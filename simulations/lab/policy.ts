/** The one interface of all policies that the laboratory compares. */
import type { CellTrace } from './trace.ts';
import type { World } from './world.ts';

/** A rule of when and where a service moves. Nothing of a run is kept in it. */
export interface LabPolicy {
  readonly name: string;
  /**
   * How much it may know. `past`: what the slots so far have shown. `future`: the whole trace, which only
   * yardsticks may see. It is the runner that withholds the trace.
   */
  readonly sees: 'past' | 'future';
  /** Begins a run. `future` is there for policies that see it. */
  begin(setting: Setting, future?: CellTrace): SlotRule;
}

/** Known to every policy before the run. */
export interface Setting {
  readonly world: World;
  readonly users: number;
}

/** A policy at work. Users are independent of each other, but for what is learned from them. */
export interface SlotRule {
  /** Shows a slot before anything is decided in it: the cell of each user, and the load factor. */
  observe?(slot: number, cells: Int16Array, load: number): void;
  /** The site for a service that was nowhere before. Without it: the nearest. */
  place?(user: number, cell: number, slot: number): number;
  /** The site for this slot, of a service that was at site `at` in the one before. */
  choose(user: number, cell: number, at: number, slot: number): number;
  /** How readily a user is sent away from a site that is too full, the highest first. Without it: by squared distance. */
  evictionPriority?(user: number, cell: number, at: number, site: number): number;
}
