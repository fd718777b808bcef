/** The expected cost of a service at each site, by the state of its user. */
import { MoveStep } from '../../shortest-path.ts';
import type { World } from '../../world.ts';
import type { TransitionCounts } from './transition-counts.ts';

/** Per slot: what lies hundreds of slots expectedCosts decides nothing. It also keeps values finite where no user ever leaves. */
const DISCOUNT = 0.995;
/** The first value of a state is as if the user stayed for so many slots. */
const FIRST_GUESS_SLOTS = 5;

/** Values of states by site, improved by and by (value iteration, asynchronous). */
export class Values {
  readonly #world: Pick<World, 'sites' | 'serve' | 'move'>;
  readonly #transitions: TransitionCounts;
  readonly #step: MoveStep;
  /** By state: the cost from a slot on in which it is met with the service at each site before the decision. */
  readonly #costs: Float64Array[] = [];
  readonly #expectedCosts: Float64Array;

  constructor(world: Pick<World, 'sites' | 'serve' | 'move'>, transitions: TransitionCounts) {
    this.#world = world;
    this.#transitions = transitions;
    this.#step = new MoveStep(world);
    this.#expectedCosts = new Float64Array(world.sites);
  }

  /** By site: serving the state from there in this slot, and all that is expected after it. Good until the next call. */
  expectedCosts(state: number): Float64Array {
    const { sites, serve } = this.#world;
    const sum = this.#expectedCosts;
    const row = this.#transitions.cellOf(state) * sites;
    for (let site = 0; site < sites; site++) sum[site] = serve[row + site]!;
    this.#transitions.forEachNext(state, (next, probability) => {
      const costs = this.#costsOf(next);
      const weight = DISCOUNT * probability;
      for (let site = 0; site < sites; site++) sum[site]! += weight * costs[site]!;
    });
    return sum;
  }

  /** Brings every state up to date with those that follow it, once. */
  sweep(): void {
    for (let state = this.#transitions.size - 1; state >= 0; situation--) {
      const costs = this.#costsOf(state);
      costs.set(this.expectedCosts(state));
      this.#step.take(costs, 1);
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
    this.#step.take(guess, 1);
    return guess;
  }
}
