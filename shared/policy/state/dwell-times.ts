/**
 * How long a VM's users are used to staying where one site serves best: learned for each site, because a quarter of an
 * hour at the station says nothing of the night at home. A site nobody has stayed at yet is judged by all the others, and by
 * whether the users travel: who drives by does not stay as long as at home.
 */

/** Weight of the newest stay. */
const NEWEST_WEIGHT = 0.3;
/** Sites remembered for each VM; the ones not stayed at for longest are forgotten. */
const MAX_SITES = 16;

/** JSON. Changed in place: it is learned from with every change of the best site. */
export interface DwellTimes {
  /** Over all sites, from the prior on. */
  anywhereMs: number;
  /** The site stayed at last comes first. */
  readonly bySite: { readonly site: string; ms: number }[];
}

/** @param priorMs expected of users nothing is known of */
export function newDwellTimes(priorMs: number): DwellTimes {
  return { anywhereMs: priorMs, bySite: [] };
}

/** Learns from a stay that has ended. The first one at a site counts in full. */
export function learnDwell(dwellTimes: DwellTimes, site: string, stayedMs: number): void {
  const { bySite } = dwellTimes;
  dwellTimes.anywhereMs += NEWEST_WEIGHT * (stayedMs - dwellTimes.anywhereMs);
  const at = bySite.findIndex((known) => known.site === site);
  const known = at < 0 ? { site, ms: stayedMs } : bySite[at]!;
  known.ms += NEWEST_WEIGHT * (stayedMs - known.ms);
  for (let i = at < 0 ? Math.min(bySite.length, MAX_SITES - 1) : at; i > 0; i--) bySite[i] = bySite[i - 1]!;
  bySite[0] = known;
}

/** A stay under way: since when it counts, and how long it usually takes. */
export interface Dwell {
  readonly sinceMs: number;
  readonly usualMs: number;
}

/**
 * The stay at a site. Where they have not been before, users who travel are passing through: they stay no longer than
 * crossing takes. Who comes to rest there may wait at a light, or have arrived: how long they rest is what tells.
 * @param site null: at any
 * @param sinceMs since when it has been the best one
 * @param crossingMs Infinity for users who have not travelled
 * @param restingSinceMs since when they have rested, where they travelled before; else -1
 */
export function dwellAt(
  { anywhereMs, bySite }: DwellTimes,
  site: string | null,
  sinceMs: number,
  { crossingMs, restingSinceMs }: { readonly crossingMs: number; readonly restingSinceMs: number },
): Dwell {
  for (const known of bySite) if (known.site === site) return { sinceMs, usualMs: known.ms };
  return { sinceMs: Math.max(sinceMs, restingSinceMs), usualMs: Math.min(anywhereMs, crossingMs) };
}
