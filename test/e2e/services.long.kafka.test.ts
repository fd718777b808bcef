/** Each service as a process of its own, on a real Kafka broker. */
import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { servicesOn } from './services-on.ts';

onKafka('services as processes of their own on Kafka', () =>
  servicesOn(async () => {
    const { brokers, stop } = await startKafka();
    return { url: `kafka://${brokers.join()}`, stop };
  }),
);
