/** Processes of their own on a real Kafka broker, at one virtual time. */
import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { lockstepOn } from './lockstep-on.ts';

onKafka('replayed onto processes on Kafka', () =>
  lockstepOn(async () => {
    const { brokers, stop } = await startKafka();
    return { url: `kafka://${brokers.join()}`, stop };
  }),
);
