import type { LabPolicy, PlacementRule, Setting } from '../../policy.ts';
import { ABSENT } from '../../trace.ts';
import { GONE, TransitionCounts } from './transition-counts.ts';
import { Values } from './values.ts';

/** How often values are brought up to date, in slots. */
const SWEEP_EVERY = 5;
/**
 * The weight of moving in a decision. The values behind it assume right decisions in every slot to come, which
 * makes waiting look better than it turns out: with 1, moves come late where little has been seen yet.
 */
const EAGERNESS = 0.95;
/** Enough for values to settle. */
const REHEARSALS = 60;

/**
 * Our own. Like Wang et al. a Markov decision process, but over the real cells and sites instead of a distance: where
 * users go next is learned online from all of them (`transition-counts.ts`), and what that means for a service at each site is
 * kept up to date by value iteration (`values.ts`). Nothing is known beforehand; everything is learned in the run.
 *
 * The load factor is left out, as it multiplies all costs of a slot and hardly changes from one to the next.
 * @param places `freely`: it also chooses the first site, as the optimum does; `nearest`: as the published rules do
 */
export function learnedMdp(places: 'freely' | 'nearest'): LabPolicy {
  return {
    name: places === 'freely' ? 'learned-mdp' : 'learned-mdp(nearest first)',
    sees: 'past',
    begin: (setting) => {
      const transitions = new TransitionCounts(setting.world.cells);
      return chooser(setting, transitions, new Values(setting.world, transitions), places);
    },
  };
}

/**
 * A yardstick: the same with everybody's transitions of the whole trace counted before it begins, though not who will do what
 * when. What this costs more than the optimum is not for want of learning.
 */
export const pretrainedMdp: LabPolicy = {
  name: 'learned-mdp(day known)',
  sees: 'future',
  begin(setting, future) {
    const transitions = new TransitionCounts(setting.world.cells);
    const values = new Values(setting.world, transitions);
    const { users, slots, cells } = future!;
    const watch = new Watch(users, transitions);
    for (let slot = 0; slot < slots; slot++) watch.see(cells.subarray(slot * users, (slot + 1) * users));
    for (let sweep = 0; sweep < REHEARSALS; sweep++) values.sweep();
    return chooser(setting, transitions, values, 'freely');
  },
};

function chooser(
  { world, users }: Setting,
  transitions: TransitionCounts,
  values: Values,
  places: 'freely' | 'nearest',
): PlacementRule {
  const { sites, move, nearest } = world;
  const watch = new Watch(users, transitions);
  return {
    show(slot, cells) {
      watch.see(cells);
      if (slot % SWEEP_EVERY === 0) values.sweep();
    },
    place(user, cell) {
      if (places === 'nearest') return nearest[cell]!;
      const expectedCosts = values.expectedCosts(watch.states[user]!);
      let best = 0;
      for (let site = 1; site < sites; site++) if (expectedCosts[site]! < expectedCosts[best]!) best = site;
      return best;
    },
    choose(user, _, at) {
      const expectedCosts = values.expectedCosts(watch.states[user]!);
      let [best, least] = [at, expectedCosts[at]!];
      for (let site = 0; site < sites; site++) {
        const cost = expectedCosts[site]! + EAGERNESS * move[at * sites + site]!;
        if (cost < least) [best, least] = [site, cost];
      }
      return best;
    },
  };
}

/** Follows all users through their cells, and counts. */
class Watch {
  /** The state of each user now; {@link GONE} where absent. */
  readonly states: Int32Array;
  readonly #transitions: TransitionCounts;
  readonly #cell: Int16Array;
  readonly #origin: Int16Array;
  readonly #dwell: Int32Array;

  constructor(users: number, transitions: TransitionCounts) {
    this.#transitions = transitions;
    this.states = new Int32Array(users).fill(GONE);
    this.#cell = new Int16Array(users).fill(ABSENT);
    this.#origin = new Int16Array(users).fill(ABSENT);
    this.#dwell = new Int32Array(users);
  }

  see(cells: Int16Array): void {
    cells.forEach((cell, user) => {
      const before = this.states[user]!;
      if (cell !== this.#cell[user]) {
        this.#origin[user] = cell === ABSENT ? ABSENT : this.#cell[user]!;
        this.#dwell[user] = 0;
        this.#cell[user] = cell;
      }
      this.#dwell[user]!++;
      const now = cell === ABSENT ? GONE : this.#transitions.state(cell, this.#origin[user]!, this.#dwell[user]!);
      if (before !== GONE) this.#transitions.count(before, now);
      this.states[user] = now;
    });
  }
}
