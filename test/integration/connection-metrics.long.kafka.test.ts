import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { connectionMetrics } from './connection-metrics.ts';

onKafka('connections to Kafka', () =>
  connectionMetrics(
    async () => {
      const { brokers, kill, restart, stop } = await startKafka();
      return { url: `kafka://${brokers.join()}`, kill: () => kill(0), restart: () => restart(0), stop };
    },
    {
      grown: ['tagalong_bus_connection_errors_total'],
      others: [
        'tagalong_bus_request_timeouts_total',
        'tagalong_bus_heartbeats_missed_total',
        'tagalong_bus_rejoins_total',
        'tagalong_bus_consumers_recreated_total',
        'tagalong_bus_producers_recreated_total',
        'tagalong_bus_undecodable_total',
      ],
    },
  ),
);
