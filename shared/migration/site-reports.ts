/** The last reports of the sites: which sites exist, and the paths between them. */
import type { Data } from '../events/index.ts';
import { pathsBetween } from '../model/paths.ts';

/** The paths between two sites. */
export interface PathsOfPair {
  readonly ids: readonly string[];
  /** The rate of all paths together, in bytes a second. */
  readonly rateBps: number;
}

/** The last heartbeats and removals of all sites. */
export class SiteReports {
  readonly #reports = new Map<string, Data<'site.reported.v1'>>();
  /** Sites that were removed, and when. */
  readonly #removed = new Map<string, number>();
  /** Paths by source and destination, until the next heartbeat of a site. */
  readonly #paths = new Map<string, Map<string, PathsOfPair>>();

  /** Applies a heartbeat. @returns false: the site was removed later, so the heartbeat changes nothing */
  report(data: Data<'site.reported.v1'>): boolean {
    if (data.atMs <= (this.#removed.get(data.site) ?? -1)) return false;
    this.#removed.delete(data.site);
    this.#reports.set(data.site, data);
    this.#paths.clear();
    return true;
  }

  /** Applies a removal. One that is older than the last heartbeat changes nothing. */
  remove({ site, atMs }: Data<'site.removed.v1'>): void {
    if ((this.#reports.get(site)?.atMs ?? 0) > atMs) return;
    this.#reports.delete(site);
    this.#paths.clear();
    this.#removed.set(site, atMs);
  }

  /** True for a site that was removed and has not reported since. */
  isRemoved(site: string): boolean {
    return this.#removed.has(site);
  }

  /** The paths between two sites; none where a site has not reported. */
  paths(from: string, to: string): PathsOfPair {
    const known = this.#paths.get(from)?.get(to);
    if (known !== undefined) return known;
    const uplinks = (site: string) => ({ site, uplinks: this.#reports.get(site)?.uplinks ?? [] });
    const paths = pathsBetween(uplinks(from), uplinks(to));
    const ofPair = { ids: paths.map(({ id }) => id), rateBps: paths.reduce((sum, { rateBps }) => sum + rateBps, 0) };
    this.#paths.set(from, (this.#paths.get(from) ?? new Map()).set(to, ofPair));
    return ofPair;
  }

  /** The removals and heartbeats that a new list begins with. */
  *facts() {
    for (const [site, atMs] of this.#removed) yield { type: 'site.removed.v1', data: { site, atMs } } as const;
    for (const data of this.#reports.values()) yield { type: 'site.reported.v1', data } as const;
  }
}
