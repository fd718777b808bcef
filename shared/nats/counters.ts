import { countersOf } from '../connection/counters.ts';

/** Counters of a connection to NATS, and of its senders and consumers. */
export type NatsCounters = ReturnType<typeof natsCounters>;

/** New counters, all at zero. */
export function natsCounters() {
  return countersOf(
    'disconnects',
    'reconnects',
    'serverErrors',
    'heartbeatsMissed',
    'consumersRecreated',
    'resent',
    'partitionsLost',
    'undecodable',
  );
}
