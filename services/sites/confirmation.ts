/** Orders that empty a site have to name the site a second time, so that no slip and no wrong script empties it. */
import { TagalongError } from '#shared/errors.ts';

/**
 * Refuses an order that empties a site, unless it names the site in `confirm`. A site without VMs needs no confirmation.
 * @param vms those at the site; undefined: they are not known, so it may have some
 * @param consequence the effect on the VMs, as `will leave it`
 * @throws TagalongError CONFIRMATION_MISSING
 */
export function refuseUnconfirmed(
  site: string,
  vms: readonly string[] | undefined,
  consequence: string,
  confirm: string | undefined,
): void {
  if (confirm === site || vms?.length === 0) return;
  const what =
    vms === undefined ? 'its VMs, whose number is not known,' : vms.length === 1 ? '1 VM' : `${vms.length} VMs`;
  throw new TagalongError(
    'CONFIRMATION_MISSING',
    `${site}: ${what} ${consequence}; to confirm that, repeat the order with the name of the site as "confirm" (--yes)`,
  );
}
