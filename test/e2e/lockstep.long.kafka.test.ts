/** Separate processes at one virtual time, on a real Kafka broker. */
import { startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { lockstepOn } from './lockstep-on.ts';

onKafka('a replay onto processes on Kafka', () =>
  lockstepOn(async () => {
    const { brokers, stop } = await startKafka();
    return { url: `kafka://${brokers.join()}`, stop };
  }),
);
