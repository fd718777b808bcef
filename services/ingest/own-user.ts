/** A device reports for its own user only. */
import type { FastifyRequest } from 'fastify';
import { TagalongError } from '#shared/errors.ts';
import { createPseudonyms } from './pseudonym.ts';

/** Checks the users of reports. @throws TagalongError FORBIDDEN if a device reports for another user */
export type OwnUserCheck = (
  request: Pick<FastifyRequest, 'caller'>,
  reports: readonly { readonly user: string }[],
) => void;

/** Makes the check. @param pseudonymKey `ingest.pseudonymKey` */
export function ownUserCheck(pseudonymKey: string | undefined): OwnUserCheck {
  const pseudonymOf = createPseudonyms(pseudonymKey);
  return ({ caller: { role, user: own } }, reports) => {
    if (role !== 'device' || reports.every(({ user }) => pseudonymOf(user) === own)) return;
    throw new TagalongError('FORBIDDEN', 'user: the token of this device is for another user; send its own user only');
  };
}
