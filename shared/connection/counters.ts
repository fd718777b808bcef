/**
 * Counters of a connection and its consumers since the connection was opened, with the names and help texts of their metrics. Each
 * adapter has the counters that it can count.
 */
const COUNTED = {
  disconnects: ['tagalong_bus_disconnects_total', 'Times the connection to the bus was lost.'],
  reconnects: ['tagalong_bus_reconnects_total', 'Times the connection to the bus was regained.'],
  connectionErrors: [
    'tagalong_bus_connection_errors_total',
    'Connections to a broker that broke or could not be opened.',
  ],
  serverErrors: ['tagalong_bus_server_errors_total', 'Errors that the server reported on the connection.'],
  requestTimeouts: [
    'tagalong_bus_request_timeouts_total',
    'Requests of consumers and producers that got no answer in time.',
  ],
  heartbeatsMissed: [
    'tagalong_bus_heartbeats_missed_total',
    'Heartbeats of consumers that were missed: on NATS by this process, on Kafka by the brokers.',
  ],
  rejoins: [
    'tagalong_bus_rejoins_total',
    'Times a member joined its group again, because members or brokers joined or left.',
  ],
  consumersRecreated: [
    'tagalong_bus_consumers_recreated_total',
    'Consumers that were created again, because events may have been lost on the way to them.',
  ],
  producersRecreated: ['tagalong_bus_producers_recreated_total', 'Producers that failed and were created again.'],
  resent: ['tagalong_bus_resent_total', 'Messages that were sent again because they were not acknowledged.'],
  partitionsLost: [
    'tagalong_bus_partitions_lost_total',
    'Partitions that another process took over while this process still worked on them.',
  ],
  undecodable: [
    'tagalong_bus_undecodable_total',
    'Messages that are not valid Tagalong events and were sent to the dead letters.',
  ],
} as const;

/** The name of a counter. */
export type Counted = keyof typeof COUNTED;

/** The counts, by counter name. */
export type BusCounters<C extends Counted = Counted> = { [K in C]: number };

/** New counters with these names, all at zero. */
export function countersOf<C extends Counted>(...counted: readonly C[]): BusCounters<C> {
  return Object.fromEntries(counted.map((name) => [name, 0])) as BusCounters<C>;
}

/** The metrics of counters, each with its name and help. */
export function metricsOf(counters: Partial<BusCounters>): { readonly key: Counted; name: string; help: string }[] {
  return (Object.keys(counters) as Counted[]).map((key) => ({ key, name: COUNTED[key][0], help: COUNTED[key][1] }));
}
