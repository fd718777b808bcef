/** The port of published rules: policies that compare all sites themselves at every evaluation, and have a memory. */
import type { Site } from '../../state/state.ts';

/** The input of a rule: one evaluation. Valid until the next one. */
export interface RuleInput {
  readonly vm: string;
  readonly nowMs: number;
  /** The home first, then the sites near the users. */
  readonly sites: readonly Pick<Site, 'id' | 'index'>[];
  /** The cost of serving the users from each of the sites, in user-milliseconds a second. */
  readonly serving: readonly number[];
  /** Index of the site that serves best. */
  readonly best: number;
  /** Sum of the weights of the users. */
  readonly weight: number;
  /** The usual dwell time at the best site, in ms. */
  readonly usualDwellMs: number;
  /** Predicted price of a move from one site to another, in user-milliseconds; 0 for the same site. */
  moveCostUserMs(from: number, to: number): number;
  /** Predicted duration of that move in ms; 0 for the same site. */
  moveMs(from: number, to: number): number;
  /** Great-circle distance between two of the sites, in km. */
  km(from: number, to: number): number;
}

/**
 * A rule that chooses the site for a VM. Filters, limits and the VM's states apply to it as to every policy; our cooldowns and our
 * hourly budget do not.
 * @typeParam M the rule's memory about a VM: JSON, changed in place, stored with the VM
 */
export interface PlacementRule<M extends object = object> {
  readonly name: string;
  /** The memory of a VM whose users have just appeared. It is lost when the last of them falls silent. */
  begin(view: RuleInput): M;
  /**
   * Called at every position that counts, perhaps twice at one instant; both calls have to return the same site. It is also called
   * during a move: if the rule then prefers the home, and the destination serves worse, the move is cancelled.
   * @returns the index in `view.sites`; 0: stay
   */
  choose(view: RuleInput, memory: M): number;
}
