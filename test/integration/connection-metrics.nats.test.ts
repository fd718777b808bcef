import { onNats, startNats } from '../servers/nats.ts';
import { connectionMetrics } from './connection-metrics.ts';

onNats('a connection to NATS', () =>
  connectionMetrics(startNats, {
    grown: ['tagalong_bus_disconnects_total', 'tagalong_bus_reconnects_total'],
    others: [
      'tagalong_bus_server_errors_total',
      'tagalong_bus_heartbeats_missed_total',
      'tagalong_bus_consumers_recreated_total',
      'tagalong_bus_resent_total',
      'tagalong_bus_partitions_lost_total',
      'tagalong_bus_undecodable_total',
    ],
  }),
);
