import type { LabPolicy, Setting, SlotRule } from '../../policy.ts';
import { ABSENT } from '../../trace.ts';
import { GONE, TransitionCounts } from './transition-counts.ts';
import { Values } from './values.ts';

/** The values are updated every so many slots. */
const SWEEP_EVERY_SLOTS = 5;
/**
 * A decision multiplies the cost of a move by this factor. The values assume optimal decisions in all later slots, so they
 * underestimate the cost of waiting. With 1, the policy moves too late wherever it has seen few transitions.
 */
const MOVE_COST_FACTOR = 0.95;
/** So many sweeps before the run suffice for the values to converge. */
const PRETRAINING_SWEEPS = 60;

/**
 * Our own policy: like that of Wang et al. a Markov decision process, but over the cells and sites themselves instead of a distance.
 * It learns online, from all users, which cell follows which (`transition-counts.ts`). Value iteration keeps the expected cost of a
 * service at each site up to date (`values.ts`). Before the run it knows nothing.
 *
 * The costs leave out the load factor, because it multiplies all costs of a slot and hardly changes from slot to slot.
 * @param firstSite `free`: the policy chooses the first site, as the optimum does; `nearest`: as the published rules do
 */
export function learnedMdp(firstSite: 'free' | 'nearest'): LabPolicy {
  return {
    name: firstSite === 'free' ? 'learned-mdp' : 'learned-mdp(nearest first)',
    sees: 'past',
    begin: (setting) => {
      const transitions = new TransitionCounts(setting.world.cells);
      return chooser(setting, transitions, new Values(setting.world, transitions), firstSite);
    },
  };
}

/**
 * A yardstick: the same policy, but it has counted the transitions of the whole trace before the run. It does not know which user
 * makes which transition when. So the difference between its cost and the optimum is not due to missing training.
 */
export const pretrainedMdp: LabPolicy = {
  name: 'learned-mdp(day known)',
  sees: 'future',
  begin(setting, future) {
    const transitions = new TransitionCounts(setting.world.cells);
    const values = new Values(setting.world, transitions);
    const { users, slots, cells } = future!;
    const states = new UserStates(users, transitions);
    for (let slot = 0; slot < slots; slot++) states.advance(cells.subarray(slot * users, (slot + 1) * users));
    for (let sweep = 0; sweep < PRETRAINING_SWEEPS; sweep++) values.sweep();
    return chooser(setting, transitions, values, 'free');
  },
};

function chooser(
  { world, users }: Setting,
  transitions: TransitionCounts,
  values: Values,
  firstSite: 'free' | 'nearest',
): SlotRule {
  const { sites, move, nearest } = world;
  const states = new UserStates(users, transitions);
  return {
    observe(slot, cells) {
      states.advance(cells);
      if (slot % SWEEP_EVERY_SLOTS === 0) values.sweep();
    },
    place(user, cell) {
      if (firstSite === 'nearest') return nearest[cell]!;
      const costs = values.expectedCosts(states.current[user]!);
      let best = 0;
      for (let site = 1; site < sites; site++) if (costs[site]! < costs[best]!) best = site;
      return best;
    },
    choose(user, _, at) {
      const costs = values.expectedCosts(states.current[user]!);
      let [best, least] = [at, costs[at]!];
      for (let site = 0; site < sites; site++) {
        const cost = costs[site]! + MOVE_COST_FACTOR * move[at * sites + site]!;
        if (cost < least) [best, least] = [site, cost];
      }
      return best;
    },
  };
}

/** The states of all users. They advance slot by slot, and each step counts its transitions. */
class UserStates {
  /** By user: the current state; {@link GONE} if the user is absent. */
  readonly current: Int32Array;
  readonly #transitions: TransitionCounts;
  readonly #cell: Int16Array;
  readonly #origin: Int16Array;
  readonly #dwell: Int32Array;

  constructor(users: number, transitions: TransitionCounts) {
    this.#transitions = transitions;
    this.current = new Int32Array(users).fill(GONE);
    this.#cell = new Int16Array(users).fill(ABSENT);
    this.#origin = new Int16Array(users).fill(ABSENT);
    this.#dwell = new Int32Array(users);
  }

  /** @param cells the cell of each user in the next slot */
  advance(cells: Int16Array): void {
    cells.forEach((cell, user) => {
      const before = this.current[user]!;
      if (cell !== this.#cell[user]) {
        this.#origin[user] = cell === ABSENT ? ABSENT : this.#cell[user]!;
        this.#dwell[user] = 0;
        this.#cell[user] = cell;
      }
      this.#dwell[user]!++;
      const now = cell === ABSENT ? GONE : this.#transitions.state(cell, this.#origin[user]!, this.#dwell[user]!);
      if (before !== GONE) this.#transitions.count(before, now);
      this.current[user] = now;
    });
  }
}
