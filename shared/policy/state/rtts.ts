/** Round-trip times that clients have measured to sites, as long as they are recent. */
import { MAX_RTTS_KEPT } from '../../events/bounds.ts';

/** Age in ms from which a measured round-trip time no longer counts. */
export const RTT_HOLDS_MS = 60_000;

/** The measured times of one client, by site, in ms. JSON. */
export type Rtts = Record<string, { rttMs: number; atMs: number }>;

/**
 * Merges new measurements. Only known sites count, and the newest measurements have precedence. Otherwise a client could invent site
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
