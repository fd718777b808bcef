import { countersOf } from '../counters.ts';

/** What is counted of a connection to NATS, and of what uses it. */
export type NatsCounters = ReturnType<typeof natsCounters>;

/** All at zero. */
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
