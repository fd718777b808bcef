/** Gives each user of a trace a VM at the user's first position, because traces name users but no VMs. */
import type { VmSpec } from '#shared/events/index.ts';
import { unitVector } from '#shared/geo/distance.ts';
import { positionFault } from '#shared/geo/plausibility.ts';
import { SiteIndex } from '#shared/geo/site-index.ts';
import type { SiteSpec } from './site-lists.ts';
import type { Fix } from './traces/fix.ts';

/** The figures of a personal VM: a usual size. Every result that uses it states it. */
export const PERSONAL_VM: VmSpec = {
  ramBytes: 4 * 2 ** 30,
  dirtyRateBps: 20_000_000,
  workingSetBytes: 200_000_000,
  diskBytes: 0,
  downtimeLimitMs: 300,
  targetRttMs: 10,
};

/** A user's VM. */
export interface PersonalVm {
  readonly vm: string;
  readonly user: string;
  readonly home: string;
  readonly spec: VmSpec;
}

/** The VMs of a trace's users. */
export class PersonalVms {
  readonly #sites: readonly SiteSpec[];
  readonly #index: SiteIndex;
  readonly #free: number[];
  readonly #known = new Map<string, string | undefined>();
  /** The number of users without a VM, because no site had room. */
  homeless = 0;

  constructor(sites: readonly SiteSpec[]) {
    this.#sites = sites;
    this.#index = new SiteIndex(sites);
    this.#free = sites.map(({ slots }) => slots);
  }

  /** The name of a user's VM; undefined if the user has none. */
  of(user: string): string | undefined {
    return this.#known.get(user);
  }

  /** Makes the VM of a new user at the nearest site with room; undefined if the user is known or no site has room. */
  enrol(fix: Fix): PersonalVm | undefined {
    if (this.#known.has(fix.user) || positionFault(fix) !== undefined) return undefined;
    const home = this.#nearestFree(fix);
    if (home === undefined) {
      this.#known.set(fix.user, undefined);
      this.homeless++;
      return undefined;
    }
    this.#free[home]!--;
    const vm = `vm-${fix.user}`;
    this.#known.set(fix.user, vm);
    return { vm, user: fix.user, home: this.#sites[home]!.site, spec: PERSONAL_VM };
  }

  #nearestFree(fix: Fix): number | undefined {
    const probe = new Float64Array(3);
    unitVector(fix, probe);
    const { size } = this.#index;
    for (let count = Math.min(8, size); ; count = Math.min(size, count * 8)) {
      const found = new Int32Array(count);
      this.#index.nearest(probe, fix, count, found, new Float64Array(count));
      const free = found.find((site) => this.#free[site]! > 0);
      if (free !== undefined || count === size) return free;
    }
  }
}
