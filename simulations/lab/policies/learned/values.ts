/** The expected cost of a service at each site, by the situation of its user. */
import { MoveStep } from '../../shortest-path.ts';
import type { World } from '../../world.ts';
import type { Habits } from './habits.ts';

/** Per slot: what lies hundreds of slots ahead decides nothing. It also keeps values finite where no user ever leaves. */
const DISCOUNT = 0.995;
/** The first value of a situation is as if the user stayed for so many slots. */
const FIRST_GUESS_SLOTS = 5;

/** Values of situations by site, improved by and by (value iteration, asynchronous). */
export class Values {
  readonly #world: Pick<World, 'sites' | 'serve' | 'move'>;
  readonly #habits: Habits;
  readonly #step: MoveStep;
  /** By situation: the cost from a slot on in which it is met with the service at each site before the decision. */
  readonly #costs: Float64Array[] = [];
  readonly #ahead: Float64Array;

  constructor(world: Pick<World, 'sites' | 'serve' | 'move'>, habits: Habits) {
    this.#world = world;
    this.#habits = habits;
    this.#step = new MoveStep(world);
    this.#ahead = new Float64Array(world.sites);
  }

  /** By site: serving the situation from there in this slot, and all that is expected after it. Good until the next call. */
  ahead(situation: number): Float64Array {
    const { sites, serve } = this.#world;
    const sum = this.#ahead;
    const row = this.#habits.cellOf(situation) * sites;
    for (let site = 0; site < sites; site++) sum[site] = serve[row + site]!;
    this.#habits.forEachNext(situation, (next, probability) => {
      const costs = this.#costsOf(next);
      const weight = DISCOUNT * probability;
      for (let site = 0; site < sites; site++) sum[site]! += weight * costs[site]!;
    });
    return sum;
  }

  /** Brings every situation up to date with those that follow it, once. */
  sweep(): void {
    for (let situation = this.#habits.size - 1; situation >= 0; situation--) {
      const costs = this.#costsOf(situation);
      costs.set(this.ahead(situation));
      this.#step.take(costs, 1);
    }
  }

  #costsOf(situation: number): Float64Array {
    const known = this.#costs[situation];
    if (known !== undefined) return known;
    const guess = this.#firstGuess(situation);
    this.#costs[situation] = guess;
    return guess;
  }

  #firstGuess(situation: number): Float64Array {
    const general = this.#habits.generalOf(situation);
    if (general !== situation) return this.#costsOf(general).slice();
    const { sites, serve } = this.#world;
    const row = this.#habits.cellOf(situation) * sites;
    const guess = serve.slice(row, row + sites).map((cost) => cost * FIRST_GUESS_SLOTS);
    this.#step.take(guess, 1);
    return guess;
  }
}
