/** Each service runs as its own process, on a real Kafka broker. */
import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { servicesOn } from './services-on.ts';

onKafka('services as separate processes on Kafka', () =>
  servicesOn(async () => {
    const { brokers, stop } = await startKafka();
    return { url: `kafka://${brokers.join()}`, stop };
  }),
);
