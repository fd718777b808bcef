/** Two installations use one prefix on one Kafka broker. */
import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { installationsOn } from './installation-on.ts';

onKafka('on Kafka', () =>
  installationsOn(async () => {
    const { brokers, stop } = await startKafka();
    return { url: `kafka://${brokers.join()}`, stop };
  }),
);
