/** The facts that ingest publishes about VMs and sessions. */
import type { Bus } from '#shared/bus/bus.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Data, envelop, type Fact, faultIn, keyOf } from '#shared/events/index.ts';

/** The `source` of ingest's events. */
export const SOURCE = '/tagalong/ingest';

/** Publishes a fact about a record. @param revision of the record that the fact builds on */
export type PublishFact = (fact: Fact, revision: number) => Promise<void>;

/**
 * Publishes facts under unique ids: a user can leave and return within a millisecond, and both events count. The revision
 * distinguishes events of two processes; the serial distinguishes events about a record that was deleted and created again.
 */
export function createFactPublisher(bus: Bus): PublishFact {
  let serial = 0;
  return (fact, revision) => {
    const user = 'user' in fact.data ? `${fact.data.user}:` : '';
    const id = `${fact.type}:${keyOf(fact)}:${user}${fact.data.atMs}:${revision}:${++serial}`;
    return bus.publish([envelop(fact, id, SOURCE)]);
  };
}

/** @throws TagalongError EVENT_INVALID where the data do not fit the schema of the event */
export function refuseUnfit<T extends Fact['type']>(type: T, data: Data<T>): void {
  const fault = faultIn(type, data);
  if (fault !== undefined) throw new TagalongError('EVENT_INVALID', fault);
}
