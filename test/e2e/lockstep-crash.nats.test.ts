/** A replay in lockstep on NATS, with killed processes and lost servers, decides as the simulation. */
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'vitest';
import { onlyLong } from '../long.ts';
import { onNats, startNats, startNatsCluster } from '../servers/nats.ts';
import { crash, crashGroups, KILL_MS, KILLS } from './lockstep-crash.ts';

const DOWN_MS = 1000;

onNats('a replay on NATS whose processes are killed', () => {
  const onOneServer = async (rehearse: typeof crash) => {
    const server = await startNats();
    const lose = async () => {
      await server.kill();
      await sleep(DOWN_MS);
      await server.restart();
    };
    try {
      await rehearse({ url: server.url, lose, replicas: 1 }, KILLS);
    } finally {
      await server.stop();
    }
  };

  test(
    `decides and moves as in simulation over ${KILLS} kills and the loss of the server`,
    () => onOneServer(crash),
    120_000 + KILLS * KILL_MS,
  );

  onlyLong(() => {
    test(
      `groups under the default policy: decides and moves as in simulation over ${KILLS} kills and the loss of the server`,
      () => onOneServer(crashGroups),
      600_000 + KILLS * KILL_MS,
    );

    test(
      'decides and moves as in simulation over two kills, on a cluster of three that loses a server for a while',
      async () => {
        const servers = await startNatsCluster();
        const url = `nats://${servers.map((server) => server.url.replace('nats://', '')).join()}`;
        const lose = async () => {
          await servers[1]!.kill();
          await sleep(DOWN_MS);
          await servers[1]!.restart();
        };
        try {
          await crash({ url, lose, replicas: 3 }, 2);
        } finally {
          await Promise.all(servers.map((server) => server.stop()));
        }
      },
      180_000 + 2 * KILL_MS,
    );
  });
});
