/**
 * Dwell times: how long one site usually remains the best one for a VM's users. They are learned for each site, because a quarter
 * of an hour at the station predicts nothing about the night at home. A site without history has the average over all sites, capped
 * while the users travel.
 *
 * The averages are exponential: new = old + 0.3 × (measured - old), as in the smoothed round-trip time of RFC 6298, section 2,
 * with a larger weight because a VM has few stays.
 */

/** Weight of the newest dwell time. */
const NEWEST_WEIGHT = 0.3;
/** Number of sites stored for each VM. The site that was left longest ago is dropped first. */
const MAX_SITES = 16;

/** The dwell times of one VM, in milliseconds. JSON; changed in place at every change of the best site. */
export interface DwellTimes {
  /** Average over all sites; begins as `policy.priorStayMs`. */
  anywhereMs: number;
  /** Average of each site; the site that was left last comes first. */
  readonly bySite: { readonly site: string; ms: number }[];
}

/** The dwell times of a VM without history. @param priorMs assumed until something is learned */
export function newDwellTimes(priorMs: number): DwellTimes {
  return { anywhereMs: priorMs, bySite: [] };
}

/** Learns a dwell time that has ended. The first one at a site counts in full. */
export function learnDwell(dwellTimes: DwellTimes, site: string, stayedMs: number): void {
  const { bySite } = dwellTimes;
  dwellTimes.anywhereMs += NEWEST_WEIGHT * (stayedMs - dwellTimes.anywhereMs);
  const at = bySite.findIndex((known) => known.site === site);
  const known = at < 0 ? { site, ms: stayedMs } : bySite[at]!;
  known.ms += NEWEST_WEIGHT * (stayedMs - known.ms);
  for (let i = at < 0 ? Math.min(bySite.length, MAX_SITES - 1) : at; i > 0; i--) bySite[i] = bySite[i - 1]!;
  bySite[0] = known;
}

/** A dwell that has not ended: its start in ms since the epoch, and its usual length in ms. */
export interface Dwell {
  readonly sinceMs: number;
  readonly usualMs: number;
}

/**
 * The dwell at a site. At a site without history, travelling users are assumed to pass through: the expected dwell time is capped
 * at the crossing time. If they stop there, they may be at a traffic light or may have arrived; the dwell is then measured from
 * the moment they stopped.
 * @param site null: any site
 * @param sinceMs when the site became the best one
 * @param crossingMs time to cross from one site to the next; Infinity for users without a journey
 * @param restingSinceMs when the users stopped after a journey; -1: they travel, or have never travelled
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
