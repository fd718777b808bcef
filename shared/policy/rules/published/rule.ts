/** The port of policies that weigh all sites themselves, at every look at a VM, and remember: the published rules. */
import type { Site } from '../../state/state.ts';

/** What a look shows. Good until the next one. */
export interface RuleInput {
  readonly vm: string;
  readonly nowMs: number;
  /** The home first, then the sites near the users. */
  readonly sites: readonly Pick<Site, 'id' | 'index'>[];
  /** What serving the users from each of them costs, in user-milliseconds a second. */
  readonly serving: readonly number[];
  /** Which of them serves best. */
  readonly best: number;
  /** Sum of the weights of the users. */
  readonly weight: number;
  /** How long the users are used to staying where the best one is. */
  readonly usualDwellMs: number;
  /** What moving from one of them to another is predicted to cost, once, in user-milliseconds; 0 to where it is. */
  moveCostUserMs(from: number, to: number): number;
  /** How long that is predicted to take; 0 to where it is. */
  moveMs(from: number, to: number): number;
  /** Distance between two of them. */
  km(from: number, to: number): number;
}

/**
 * A rule of where a VM should be now. Filters, limits and the VM's states hold for it as for every policy, but neither the
 * pauses nor the hourly budget, which are ours.
 * @typeParam M what it remembers of a VM: JSON, changed in place, kept with the VM
 */
export interface PlacementRule<M extends object = object> {
  readonly name: string;
  /** The memory of a VM whose users have just appeared. It is lost when the last of them falls silent. */
  begin(view: RuleInput): M;
  /**
   * Asked at every position that counts, perhaps twice at one instant: the second answer has to be the first one. Asked also
   * while the VM moves: where it would rather stay then, and it would be worse there, the move is cancelled.
   * @returns the place in `view.sites`; 0: stay
   */
  choose(view: RuleInput, memory: M): number;
}
