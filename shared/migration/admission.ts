import type { LimitsConfig } from '../config/schema.ts';
import { Counts } from '../model/counts.ts';

/** The resources that a migration occupies while it is under way: both sites and its paths. */
export interface Claim {
  readonly from: string;
  readonly to: string;
  readonly paths: readonly string[];
}

/** Counts the migrations at each site and on each path against `limits.movesPerSite` and `limits.movesPerPath`. */
export class Admission {
  readonly #limits: LimitsConfig;
  readonly #sites = new Counts();
  readonly #paths = new Counts();

  constructor(limits: LimitsConfig) {
    this.#limits = limits;
  }

  allows({ from, to, paths }: Claim): boolean {
    const { movesPerSite, movesPerPath } = this.#limits;
    return (
      this.#sites.of(from) < movesPerSite &&
      this.#sites.of(to) < movesPerSite &&
      paths.every((path) => this.#paths.of(path) < movesPerPath)
    );
  }

  /** @param change 1 when a migration begins, -1 when it has ended */
  count({ from, to, paths }: Claim, change: 1 | -1): void {
    for (const site of [from, to]) this.#sites.add(site, change);
    for (const path of paths) this.#paths.add(path, change);
  }
}
