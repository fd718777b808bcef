/** The value function of the learned Markov decision process: the expected cost of a service, by state and site. */
import { MoveRelaxation } from '../../shortest-path.ts';
import type { World } from '../../world.ts';
import type { TransitionCounts } from './transition-counts.ts';

/** Per slot. A cost hundreds of slots ahead decides nothing, and costs stay finite where no user ever leaves. */
const DISCOUNT = 0.995;
/** The first value of a state assumes that the user stays for so many slots. */
const FIRST_GUESS_SLOTS = 5;

/** Values by state and site, improved step by step (asynchronous value iteration). */
export class Values {
  readonly #world: Pick<World, 'sites' | 'serve' | 'move'>;
  readonly #transitions: TransitionCounts;
  readonly #moves: MoveRelaxation;
  /** By state: the cost from now on, before the decision of this slot, if the service is at each site. */
  readonly #costs: Float64Array[] = [];
  readonly #expected: Float64Array;

  constructor(world: Pick<World, 'sites' | 'serve' | 'move'>, transitions: TransitionCounts) {
    this.#world = world;
    this.#transitions = transitions;
    this.#moves = new MoveRelaxation(world);
    this.#expected = new Float64Array(world.sites);
  }

  /** By site: the cost of serving in this slot, plus the expected cost after it. The next call overwrites the array. */
  expectedCosts(state: number): Float64Array {
    const { sites, serve } = this.#world;
    const sum = this.#expected;
    const row = this.#transitions.cellOf(state) * sites;
    for (let site = 0; site < sites; site++) sum[site] = serve[row + site]!;
    this.#transitions.forEachNext(state, (next, probability) => {
      const costs = this.#costsOf(next);
      const weight = DISCOUNT * probability;
      for (let site = 0; site < sites; site++) sum[site]! += weight * costs[site]!;
    });
    return sum;
  }

  /**
   * The same for some sites, in their order: a decision between a few of many sites needs no more.
   * @param out gets the costs
   */
  expectedCostsAt(state: number, at: readonly { readonly index: number }[], out: Float64Array): void {
    const { sites, serve } = this.#world;
    const row = this.#transitions.cellOf(state) * sites;
    for (let i = 0; i < at.length; i++) out[i] = serve[row + at[i]!.index]!;
    this.#transitions.forEachNext(state, (next, probability) => {
      const costs = this.#costsOf(next);
      const weight = DISCOUNT * probability;
      for (let i = 0; i < at.length; i++) out[i]! += weight * costs[at[i]!.index]!;
    });
  }

  /** Updates the values of all states once, from those of their successors. */
  sweep(): void {
    for (let state = this.#transitions.size - 1; state >= 0; state--) {
      const costs = this.#costsOf(state);
      costs.set(this.expectedCosts(state));
      this.#moves.relax(costs, 1);
    }
  }

  #costsOf(state: number): Float64Array {
    const known = this.#costs[state];
    if (known !== undefined) return known;
    const guess = this.#firstGuess(state);
    this.#costs[state] = guess;
    return guess;
  }

  #firstGuess(state: number): Float64Array {
    const general = this.#transitions.generalOf(state);
    if (general !== state) return this.#costsOf(general).slice();
    const { sites, serve } = this.#world;
    const row = this.#transitions.cellOf(state) * sites;
    const guess = serve.slice(row, row + sites).map((cost) => cost * FIRST_GUESS_SLOTS);
    this.#moves.relax(guess, 1);
    return guess;
  }
}
