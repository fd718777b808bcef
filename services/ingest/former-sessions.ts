/** Moves the sessions of a user from the pseudonyms of former keys to the present one. */
import type { Clock } from '#shared/clock/clock.ts';
import type { Log } from '#shared/log.ts';
import type { Attachments, Session } from './attachments.ts';
import type { PublishFact } from './facts.ts';
import type { FormerPseudonyms } from './pseudonym.ts';

/** The dependencies. */
export interface FormerSessionsOptions {
  readonly attachments: Attachments;
  readonly former: FormerPseudonyms;
  readonly log: Log;
  readonly clock: Clock;
  readonly publishFact: PublishFact;
  /** Moves the device tokens of a user. */
  readonly moveTokens: (from: string, to: string) => Promise<void>;
}

/**
 * Makes the function that moves the sessions and tokens of one user, by the present pseudonym. If the process dies in between, a
 * repeat goes on: the user is attached under the present pseudonym before the former one is detached.
 */
export function createFormerSessions(options: FormerSessionsOptions): (user: string) => Promise<void> {
  const { attachments, former, log, clock, publishFact, moveTokens } = options;
  const attached = (user: string, { vm, weight }: Session, revision: number) =>
    publishFact({ type: 'session.attached.v1', data: { vm, user, atMs: clock.now(), weight } }, revision);
  const detached = (user: string, vm: string, revision: number) =>
    publishFact({ type: 'session.detached.v1', data: { vm, user, atMs: clock.now() } }, revision);
  return async (user) => {
    for (const old of former.of(user)) {
      const sessions = await attachments.sessions(old);
      if (sessions.length === 0) continue;
      for (const session of sessions) {
        const { vm, weight } = session;
        await attachments.attach(user, vm, weight, (revision) => attached(user, session, revision));
        await attachments.detach(old, vm, (revision) => detached(old, vm, revision));
        // A VM with the most users that it may have has refused the first one.
        await attached(user, session, 0);
      }
      await moveTokens(old, user);
      log.info({ sessions: sessions.length }, 'the sessions of a user have moved to the pseudonym of the new key');
    }
  };
}
