/** The cost of each VM, and the explanation of its most expensive stay. */
import type { Explained } from '#shared/policy/decide/words.ts';
import { excessRttMs, type Stay } from '../serving.ts';

/** A stay of a VM at a site, as reports show it. */
export interface StayCost {
  readonly site: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** The serving cost, in user-milliseconds. */
  readonly userMs: number;
}

/** An explanation, and its time: what `tagalong explain` would have printed then. */
export interface ExplainedAt {
  readonly atMs: number;
  readonly explanation: Explained;
}

/** The cost of a VM over the whole run. */
export interface VmCost {
  readonly vm: string;
  readonly servingUserMs: number;
  readonly movingUserMs: number;
  /** The number of completed moves. */
  readonly moves: number;
  /** Mean round-trip time of its users, over the time that they were present. */
  readonly meanRttMs: number;
  /** The most expensive stay. */
  readonly worst: StayCost;
  /** An explanation from the worst stay, when at least two thirds of its cost had accrued. */
  readonly explained?: ExplainedAt;
}

/** A stay is explained again when its cost has grown by this factor since the last explanation. */
const GROWTH = 1.5;

interface RunningCost {
  servingUserMs: number;
  movingUserMs: number;
  moves: number;
  userS: number;
  rttUserMs: number;
  stay: Stay;
  worst: Stay;
  explained: ExplainedAt | undefined;
  /** The cost of the stay at the last explanation. */
  explainedUserMs: number;
}

/** Adds up the costs of all VMs. It stores some numbers and at most one explanation for each of them. */
export class VmCosts {
  readonly #costs = new Map<string, RunningCost>();
  readonly #explain: (vm: string, atMs: number) => ExplainedAt['explanation'];
  #userMs = 0;
  #endMs = Number.POSITIVE_INFINITY;

  /** @param explain asks the policy why a VM is where it is */
  constructor(explain: (vm: string, atMs: number) => ExplainedAt['explanation']) {
    this.#explain = explain;
  }

  /** A VM begins a stay. */
  stayBegan(stay: Stay): void {
    const cost = this.#costs.get(stay.vm.id);
    if (cost === undefined) this.#costs.set(stay.vm.id, noCost(stay));
    else cost.stay = stay;
  }

  /**
   * A VM served a user up to `atMs`. The stay already contains the cost of that.
   * @param userS how long, in seconds × weight
   */
  served(stay: Stay, atMs: number, userS: number, rttMs: number): void {
    const { vm } = stay;
    const cost = this.#costs.get(vm.id)!;
    const userMs = userS * excessRttMs(rttMs, vm);
    cost.servingUserMs += userMs;
    cost.userS += userS;
    cost.rttUserMs += userS * rttMs;
    this.#userMs += userMs;
    if (stay.userMs < cost.worst.userMs) return;
    cost.worst = stay;
    // The policy can explain only the present site.
    if (stay !== cost.stay || stay.userMs <= cost.explainedUserMs * GROWTH) return;
    // An explanation takes time and memory. A VM that costs less than the mean is not among the worst.
    if (cost.servingUserMs * this.#costs.size < this.#userMs) return;
    cost.explained = { atMs, explanation: this.#explain(vm.id, atMs) };
    cost.explainedUserMs = stay.userMs;
  }

  /** Adds the cost of a move that has ended. @param completed false: it failed or was cancelled */
  moved(vm: string, userMs: number, completed: boolean): void {
    const cost = this.#costs.get(vm);
    if (cost === undefined) return;
    cost.movingUserMs += userMs;
    if (completed) cost.moves++;
  }

  /** Ends all stays. @returns for each VM its last site, and how long it was there */
  end(toMs: number): { readonly site: string; readonly stayedMs: number }[] {
    this.#endMs = toMs;
    return Array.from(this.#costs.values(), ({ stay: { site, fromMs } }) => ({
      site: site.id,
      stayedMs: Math.max(0, toMs - fromMs),
    }));
  }

  /** The most expensive VMs, the most expensive one first. */
  worst(count: number): VmCost[] {
    const total = ({ servingUserMs, movingUserMs }: RunningCost) => servingUserMs + movingUserMs;
    const ranked = [...this.#costs].sort(([a, one], [b, other]) => total(other) - total(one) || (a < b ? -1 : 1));
    return ranked
      .slice(0, count)
      .map(([vm, { servingUserMs, movingUserMs, moves, userS, rttUserMs, explained, worst: stay }]) => {
        const { site, fromMs, toMs, userMs } = stay;
        const worst = { site: site.id, fromMs, toMs: Math.min(toMs, this.#endMs), userMs };
        const isOfWorst = explained && explained.atMs >= worst.fromMs && explained.atMs <= worst.toMs;
        const meanRttMs = userS === 0 ? 0 : rttUserMs / userS;
        return { vm, servingUserMs, movingUserMs, moves, meanRttMs, worst, ...(isOfWorst && { explained }) };
      });
  }
}

function noCost(stay: Stay): RunningCost {
  return {
    servingUserMs: 0,
    movingUserMs: 0,
    moves: 0,
    userS: 0,
    rttUserMs: 0,
    stay,
    worst: stay,
    explained: undefined,
    explainedUserMs: 0,
  };
}
