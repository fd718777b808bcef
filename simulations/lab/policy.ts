/** The interface of all policies that the laboratory compares. */
import type { CellTrace } from './trace.ts';
import type { World } from './world.ts';

/** A policy: it decides when and where a service moves. It holds no state of a run. */
export interface LabPolicy {
  readonly name: string;
  /**
   * The knowledge of the policy. `past`: the slots so far. `future`: the whole trace, for yardsticks only. `play` passes the trace to no
   * other policy.
   */
  readonly sees: 'past' | 'future';
  /** Begins a run. @param future the whole trace, for policies that see the future */
  begin(setting: Setting, future?: CellTrace): SlotRule;
}

/** Every policy knows this before the run. */
export interface Setting {
  readonly world: World;
  readonly users: number;
}

/** A policy in a run. It decides for each user separately; only learning connects the users. */
export interface SlotRule {
  /** Called before the decisions of a slot, with the cell of each user and the load factor. */
  observe?(slot: number, cells: Int16Array, load: number): void;
  /** Chooses the first site of a service. @default the nearest site */
  place?(user: number, cell: number, slot: number): number;
  /** Chooses the site for this slot. @param at the site in the slot before */
  choose(user: number, cell: number, at: number, slot: number): number;
  /** The order in which a site that is too full sends users away: the user with the highest value first. @default squared distance */
  evictionPriority?(user: number, cell: number, at: number, site: number): number;
}
