import type { Pair, Site } from './state.ts';
import { addTo, removeFrom } from './traffic-forecasts.ts';

/**
 * A VM waits until the links between two sites are free, as was predicted when it began to wait. -Infinity: it was told that they are
 * free earlier.
 */
export interface Wait {
  readonly pair: Pair;
  readonly freeAtMs: number;
}

/** The VMs that wait for their turn, also by the sites between which they wait: a move that ends concerns few of them. */
export class WaitingVms {
  readonly #waits = new Map<string, Wait>();
  readonly #leaving = new Map<Site, Set<string>>();
  readonly #arriving = new Map<Site, Set<string>>();

  /** The names of all. */
  keys(): Iterable<string> {
    return this.#waits.keys();
  }

  get isEmpty(): boolean {
    return this.#waits.size === 0;
  }

  has(vm: string): boolean {
    return this.#waits.has(vm);
  }

  get(vm: string): Wait | undefined {
    return this.#waits.get(vm);
  }

  /** Adds a VM, or replaces its wait. */
  set(vm: string, wait: Wait): void {
    this.delete(vm);
    this.#waits.set(vm, wait);
    addTo(this.#leaving, wait.pair.from, vm);
    addTo(this.#arriving, wait.pair.to, vm);
  }

  /** Removes a VM, if it waits. */
  delete(vm: string): void {
    const wait = this.#waits.get(vm);
    if (wait === undefined) return;
    this.#waits.delete(vm);
    removeFrom(this.#leaving, wait.pair.from, vm);
    removeFrom(this.#arriving, wait.pair.to, vm);
  }

  /** The VMs that wait to leave the one site or to reach the other. */
  beside(source: Site, destination: Site): Set<string> {
    return new Set([...(this.#leaving.get(source) ?? []), ...(this.#arriving.get(destination) ?? [])]);
  }
}
