/** What each VM cost, stay by stay, and why it was where it cost most. */
import type { Explanation } from '#shared/events/index.ts';

/** A stay of a VM at a site. */
export interface Stay {
  readonly site: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Serving cost in user-milliseconds. */
  readonly userMs: number;
}

/** A look at a VM: what `tagalong explain` would have said at that moment. */
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
  readonly worst: Stay;
  /** How it looked in its worst stay, when two thirds of its cost or more had been paid. */
  readonly look?: Look;
}

/** What a user was served, up to an instant. */
export interface Served {
  readonly atMs: number;
  /** Weighted user-seconds. */
  readonly userS: number;
  readonly rttMs: number;
  /** What that cost. */
  readonly userMs: number;
}

/** A stay that costs so many times as much as when it was last looked at is looked at again. */
const GROWTH = 1.5;

interface Life {
  servingUserMs: number;
  movingUserMs: number;
  moves: number;
  userS: number;
  rttUserMs: number;
  stay: { site: string; fromMs: number; userMs: number };
  worst: Stay;
  look: Look | undefined;
  lookedAtUserMs: number;
}

/** Keeps a few numbers and at most one look for each VM. */
export class Lives {
  readonly #lives = new Map<string, Life>();
  readonly #lookAt: (vm: string, atMs: number) => Look['why'];
  #userMs = 0;

  /** @param lookAt asks the policy why a VM is where it is */
  constructor(lookAt: (vm: string, atMs: number) => Look['why']) {
    this.#lookAt = lookAt;
  }

  /** @param first where a VM is that has not been heard of before */
  served(vm: string, first: string, { atMs, userS, rttMs, userMs }: Served): void {
    const life = this.#lifeOf(vm, first, atMs);
    life.servingUserMs += userMs;
    life.stay.userMs += userMs;
    life.userS += userS;
    life.rttUserMs += userS * rttMs;
    this.#userMs += userMs;
    const due = life.stay.userMs > life.lookedAtUserMs * GROWTH && life.stay.userMs >= life.worst.userMs;
    // Only what costs more than others do can be among the worst, and a look takes time and is large.
    if (!due || life.servingUserMs * this.#lives.size < this.#userMs) return;
    life.look = { atMs, why: this.#lookAt(vm, atMs) };
    life.lookedAtUserMs = life.stay.userMs;
  }

  /** The VM runs at another site now. @returns how long it was at the last one; undefined where it has not served yet */
  switched(vm: string, to: string, atMs: number): number | undefined {
    const life = this.#lives.get(vm);
    if (life === undefined) return undefined;
    const { fromMs } = life.stay;
    closeStay(life, atMs);
    life.stay = { site: to, fromMs: atMs, userMs: 0 };
    return atMs - fromMs;
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
    return Array.from(this.#lives.values(), (life) => {
      closeStay(life, toMs);
      return { site: life.stay.site, stayedMs: Math.max(0, toMs - life.stay.fromMs) };
    });
  }

  /** The VMs that cost most, the worst first. */
  worst(count: number): VmLife[] {
    const cost = ({ servingUserMs, movingUserMs }: Life) => servingUserMs + movingUserMs;
    const ranked = [...this.#lives].sort(([a, one], [b, other]) => cost(other) - cost(one) || (a < b ? -1 : 1));
    return ranked
      .slice(0, count)
      .map(([vm, { servingUserMs, movingUserMs, moves, userS, rttUserMs, worst, look }]) => ({
        vm,
        servingUserMs,
        movingUserMs,
        moves,
        meanRttMs: userS === 0 ? 0 : rttUserMs / userS,
        worst,
        ...(look && look.atMs >= worst.fromMs && look.atMs <= worst.toMs && { look }),
      }));
  }

  #lifeOf(vm: string, site: string, atMs: number): Life {
    const known = this.#lives.get(vm);
    if (known !== undefined) return known;
    const life: Life = {
      servingUserMs: 0,
      movingUserMs: 0,
      moves: 0,
      userS: 0,
      rttUserMs: 0,
      stay: { site, fromMs: atMs, userMs: 0 },
      worst: { site, fromMs: atMs, toMs: atMs, userMs: 0 },
      look: undefined,
      lookedAtUserMs: 0,
    };
    this.#lives.set(vm, life);
    return life;
  }
}

function closeStay(life: Life, toMs: number): void {
  if (life.stay.userMs >= life.worst.userMs) life.worst = { ...life.stay, toMs };
}
