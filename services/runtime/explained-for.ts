import { type CoarseExplained, coarse } from '#shared/policy/decide/coarse.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import { mayUse, type Role } from '#shared/roles.ts';

/** The explanation that a caller with this role may read: operators and admins need the figures for their orders. */
export function explainedFor(role: Role | undefined, explained: Explained): Explained | CoarseExplained {
  return mayUse(role, 'operate') ? explained : coarse(explained);
}
