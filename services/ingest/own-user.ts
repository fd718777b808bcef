/** A device reports for its own user only. */
import type { FastifyRequest } from 'fastify';
import { TagalongError } from '#shared/errors.ts';
import type { Names } from './names.ts';

/** Checks the users of reports. @throws TagalongError FORBIDDEN if a device reports for another user */
export type OwnUserCheck = (
  request: Pick<FastifyRequest, 'caller'>,
  reports: readonly { readonly user: string }[],
) => Promise<void>;

/** Makes the check. A token that was issued under a former key moves to the present pseudonym of its user. */
export function ownUserCheck({ pseudonymOf, former, moveTokens }: Names): OwnUserCheck {
  return async ({ caller: { role, user: own } }, reports) => {
    if (role !== 'device' || reports.every(({ user }) => pseudonymOf(user) === own)) return;
    if (own !== undefined && reports.every(({ user }) => former.ofUser(user).includes(own))) {
      return moveTokens(own, former.presentOf(own));
    }
    throw new TagalongError('FORBIDDEN', 'user: the token of this device is for another user; send its own user only');
  };
}
