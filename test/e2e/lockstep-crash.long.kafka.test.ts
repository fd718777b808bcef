/** A replay in lockstep on Kafka, with killed processes and lost brokers, decides as the simulation. */
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'vitest';
import { type KafkaServers, startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { crash, crashGroups, KILL_MS, KILLS } from './lockstep-crash.ts';

const DOWN_MS = 1000;

/** Runs on a cluster of its own, of which one node is lost for a while. */
async function crashOn(nodes: number, kills: number, rehearse = crash): Promise<void> {
  let servers: KafkaServers | undefined;
  try {
    servers = await startKafka({ nodes });
    const { brokers, kill, restart } = servers;
    const lose = async () => {
      await kill(nodes - 1);
      await sleep(DOWN_MS);
      await restart(nodes - 1);
    };
    await rehearse({ url: `kafka://${brokers.join()}`, lose, replicas: nodes }, kills);
  } finally {
    await servers?.stop();
  }
}

onKafka('a replay on Kafka whose processes are killed', () => {
  test(
    `decides and moves as in simulation over ${KILLS} kills and the loss of a broker`,
    () => crashOn(1, KILLS),
    180_000 + KILLS * KILL_MS,
  );

  test(
    `groups under the default policy: decides and moves as in simulation over ${KILLS} kills and the loss of a broker`,
    () => crashOn(1, KILLS, crashGroups),
    600_000 + KILLS * KILL_MS,
  );

  test(
    'decides and moves as in simulation over two kills, on a cluster of three that loses a broker for a while',
    () => crashOn(3, 2),
    240_000 + 2 * KILL_MS,
  );
});
