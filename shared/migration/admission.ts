import type { LimitsConfig } from '../config/schema.ts';

/** What a migration occupies while it is under way. */
export interface Claim {
  readonly from: string;
  readonly to: string;
  readonly paths: readonly string[];
}

/** Counts what is under way at each site and on each path, and says whether one more is allowed. */
export class Admission {
  readonly #limits: LimitsConfig;
  readonly #sites = new Map<string, number>();
  readonly #paths = new Map<string, number>();

  constructor(limits: LimitsConfig) {
    this.#limits = limits;
  }

  allows({ from, to, paths }: Claim): boolean {
    const { movesPerSite, movesPerPath } = this.#limits;
    return (
      (this.#sites.get(from) ?? 0) < movesPerSite &&
      (this.#sites.get(to) ?? 0) < movesPerSite &&
      paths.every((path) => (this.#paths.get(path) ?? 0) < movesPerPath)
    );
  }

  /** @param change 1 when a migration begins, -1 when it has ended */
  count({ from, to, paths }: Claim, change: 1 | -1): void {
    for (const site of [from, to]) add(this.#sites, site, change);
    for (const path of paths) add(this.#paths, path, change);
  }
}

function add(counts: Map<string, number>, key: string, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
