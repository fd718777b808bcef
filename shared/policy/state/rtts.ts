/** What clients have measured themselves: round-trip times to sites, as long as they say something of now. */
import { MAX_RTTS_KEPT } from '../../events/bounds.ts';

/** Round-trip times measured longer ago than this say nothing of now. */
export const RTT_HOLDS_MS = 60_000;

/** The times of one client, by site. JSON. */
export type Rtts = Record<string, { rttMs: number; atMs: number }>;

/**
 * The times after another measurement. Only those to sites that there are count, the newest of them: a client could invent
 * names until the record of its VM is too large to be written.
 */
export function updateRtts(
  known: Rtts | undefined,
  measured: readonly { readonly site: string; readonly rttMs: number }[],
  atMs: number,
  sites: { get(site: string): { readonly index: number } | undefined },
): Rtts {
  const next: Rtts = {};
  let kept = 0;
  const keep = (site: string, rttMs: number, sinceMs: number) => {
    const isNew = !Object.hasOwn(next, site);
    if (isNew && kept >= MAX_RTTS_KEPT) return;
    if (isNew) kept++;
    next[site] = { rttMs, atMs: sinceMs };
  };
  for (const { site, rttMs } of measured) if ((sites.get(site)?.index ?? -1) >= 0) keep(site, rttMs, atMs);
  for (const [site, { rttMs, atMs: sinceMs }] of Object.entries(known ?? {})) {
    if (!Object.hasOwn(next, site) && atMs - sinceMs <= RTT_HOLDS_MS) keep(site, rttMs, sinceMs);
  }
  return next;
}
