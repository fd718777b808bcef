/** The tests of rule 9's doors on a real Kafka broker. */
import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { doorsOnServer } from './doors-server.ts';

onKafka('rule 9 on Kafka', () =>
  doorsOnServer(async () => {
    const { brokers, stop } = await startKafka();
    return { url: `kafka://${brokers.join()}`, stop };
  }),
);
