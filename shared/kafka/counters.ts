import type { LogEntry } from 'kafkajs';
import { countersOf } from '../connection/counters.ts';

/** Counters of the connections to a Kafka cluster, and of their producers and consumers. */
export type KafkaCounters = ReturnType<typeof kafkaCounters>;

/** New counters, all at zero. */
export function kafkaCounters() {
  return countersOf(
    'connectionErrors',
    'requestTimeouts',
    'heartbeatsMissed',
    'rejoins',
    'consumersRecreated',
    'producersRecreated',
    'undecodable',
  );
}

/** Counts the events that kafkajs reports only in its log. */
export function countLogged(counters: KafkaCounters, { namespace, log }: LogEntry): void {
  if (namespace === 'Connection' && /^Connection (error|timeout)/.test(log.message)) counters.connectionErrors++;
  if (log.message.startsWith('The coordinator is not aware of this member')) counters.heartbeatsMissed++;
}
