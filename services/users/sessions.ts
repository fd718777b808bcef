/** The sessions of users, for a process without ingest. */
import type { Bus } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { createAttachments } from '../ingest/attachments.ts';
import { createFactPublisher } from '../ingest/facts.ts';
import type { Ingest } from '../ingest/service.ts';

/** Reads and ends sessions in the store. Ingests notice it once their caches have expired. */
export function storedSessions(options: {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly setAside: SetAside;
}): Pick<Ingest, 'sessions' | 'eraseSessions'> {
  const { bus, store, clock, setAside } = options;
  const attachments = createAttachments(store, clock, setAside);
  const publishFact = createFactPublisher(bus);
  return {
    sessions: (user) => attachments.sessions(user),
    eraseSessions: (user) =>
      attachments.erase(user, (vm, revision) =>
        publishFact({ type: 'session.detached.v1', data: { vm, user, atMs: Math.round(clock.now()) } }, revision),
      ),
  };
}
