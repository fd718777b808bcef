/** The affinity of a VM to sites: the sites where it may run, and the price of a second at a site that it does not prefer. */
import type { Affinity } from '../../events/index.ts';

/** True if the VM may run at the site. */
export function isAllowed(affinity: Affinity | null, site: string): boolean {
  return affinity?.allowed === undefined || affinity.allowed.includes(site);
}

/** The price of the site beside the round trips of the users, in user-milliseconds a second. */
export function preferenceUserMsPerS({ preferred, avoided, preferenceUserMsPerS }: Affinity, site: string): number {
  const isUnwanted = (preferred !== undefined && !preferred.includes(site)) || avoided?.includes(site) === true;
  return isUnwanted ? preferenceUserMsPerS : 0;
}
