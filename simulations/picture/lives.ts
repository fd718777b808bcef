/** The cost of each VM, stay by stay, and the explanation of its most expensive stay. */
import type { Explanation } from '#shared/events/index.ts';
import { excessRttMs, type Stay } from '../serving.ts';

/** A stay of a VM at a site, as it is shown. */
export interface StayShown {
  readonly site: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Serving cost in user-milliseconds. */
  readonly userMs: number;
}

/** The explanation of a VM at an instant, as `tagalong explain` would have printed it then. */
export interface Look {
  readonly atMs: number;
  readonly why: Explanation & { readonly vm: string; readonly home: string };
}

/** A VM in the end. */
export interface VmLife {
  readonly vm: string;
  readonly servingUserMs: number;
  readonly movingUserMs: number;
  /** Completed ones. */
  readonly moves: number;
  /** Mean round-trip time of its users, over their time. */
  readonly meanRttMs: number;
  /** The stay that cost most. */
  readonly worst: StayShown;
  /** How it looked in its worst stay, when two thirds of its cost or more had been paid. */
  readonly look?: Look;
}

/** A stay is evaluated again when its cost has grown by this factor since the last evaluation. */
const GROWTH = 1.5;

interface Life {
  servingUserMs: number;
  movingUserMs: number;
  moves: number;
  userS: number;
  rttUserMs: number;
  stay: Stay;
  worst: Stay;
  look: Look | undefined;
  lookedAtUserMs: number;
}

/** Keeps a few numbers and at most one look for each VM. */
export class Lives {
  readonly #lives = new Map<string, Life>();
  readonly #lookAt: (vm: string, atMs: number) => Look['why'];
  #userMs = 0;
  #endMs = Number.POSITIVE_INFINITY;

  /** @param lookAt asks the policy why a VM is where it is */
  constructor(lookAt: (vm: string, atMs: number) => Look['why']) {
    this.#lookAt = lookAt;
  }

  /** A VM serves from elsewhere, or for the first time. */
  stays(stay: Stay): void {
    const life = this.#lives.get(stay.vm.id);
    if (life === undefined) this.#lives.set(stay.vm.id, newLife(stay));
    else life.stay = stay;
  }

  /** A VM served a user for so many weighted user-seconds, up to `atMs`. What that cost is in the stay already. */
  served(stay: Stay, atMs: number, userS: number, rttMs: number): void {
    const { vm } = stay;
    const life = this.#lives.get(vm.id)!;
    const userMs = userS * excessRttMs(rttMs, vm);
    life.servingUserMs += userMs;
    life.userS += userS;
    life.rttUserMs += userS * rttMs;
    this.#userMs += userMs;
    if (stay.userMs < life.worst.userMs) return;
    life.worst = stay;
    // Why a VM was at a site that it has left cannot be asked any more.
    if (stay !== life.stay || stay.userMs <= life.lookedAtUserMs * GROWTH) return;
    // Only what costs more than others do can be among the worst, and a look takes time and is large.
    if (life.servingUserMs * this.#lives.size < this.#userMs) return;
    life.look = { atMs, why: this.#lookAt(vm.id, atMs) };
    life.lookedAtUserMs = stay.userMs;
  }

  /** A move has ended. @param completed false: it cost something, and nothing came of it */
  moved(vm: string, userMs: number, completed: boolean): void {
    const life = this.#lives.get(vm);
    if (life === undefined) return;
    life.movingUserMs += userMs;
    if (completed) life.moves++;
  }

  /** Ends all stays. @returns for each VM where it is, and since when */
  end(toMs: number): { readonly site: string; readonly stayedMs: number }[] {
    this.#endMs = toMs;
    return Array.from(this.#lives.values(), ({ stay: { site, fromMs } }) => ({
      site: site.id,
      stayedMs: Math.max(0, toMs - fromMs),
    }));
  }

  /** The VMs that cost most, the worst first. */
  worst(count: number): VmLife[] {
    const cost = ({ servingUserMs, movingUserMs }: Life) => servingUserMs + movingUserMs;
    const ranked = [...this.#lives].sort(([a, one], [b, other]) => cost(other) - cost(one) || (a < b ? -1 : 1));
    return ranked
      .slice(0, count)
      .map(([vm, { servingUserMs, movingUserMs, moves, userS, rttUserMs, look, ...life }]) => {
        const { site, fromMs, toMs, userMs } = life.worst;
        const worst = { site: site.id, fromMs, toMs: Math.min(toMs, this.#endMs), userMs };
        const shown = look && look.atMs >= worst.fromMs && look.atMs <= worst.toMs;
        const meanRttMs = userS === 0 ? 0 : rttUserMs / userS;
        return { vm, servingUserMs, movingUserMs, moves, meanRttMs, worst, ...(shown && { look }) };
      });
  }
}

function newLife(stay: Stay): Life {
  return {
    servingUserMs: 0,
    movingUserMs: 0,
    moves: 0,
    userS: 0,
    rttUserMs: 0,
    stay,
    worst: stay,
    look: undefined,
    lookedAtUserMs: 0,
  };
}
