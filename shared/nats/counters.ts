import { countersOf } from '../connection/counters.ts';

/** What is counted of a connection to NATS, and of what uses it. */
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
