/** Kills processes in real time, on Kafka. */
import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { crashOn } from './crash-on.ts';

onKafka('rule 6 on Kafka: processes of ingest, placement and migrator are killed', () =>
  crashOn(async () => {
    const { brokers, stop } = await startKafka();
    return { url: `kafka://${brokers.join()}`, stop };
  }),
);
