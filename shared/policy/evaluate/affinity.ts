/** What the declaration of a VM says about sites: where it may run, and what a second elsewhere than it prefers costs. */
import type { Affinity } from '../../events/index.ts';

/** True if the VM may run at the site. */
export function isAllowed(affinity: Affinity | null, site: string): boolean {
  return affinity?.allowed === undefined || affinity.allowed.includes(site);
}

/** What running at the site costs beside the round trips of the users, in user-milliseconds a second. */
export function preferenceUserMsPerS({ preferred, avoided, preferenceUserMsPerS }: Affinity, site: string): number {
  const isUnwanted = (preferred !== undefined && !preferred.includes(site)) || avoided?.includes(site) === true;
  return isUnwanted ? preferenceUserMsPerS : 0;
}
