import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import { natsBus } from '#shared/bus/nats/bus.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';
import { natsProbe } from '../servers/nats-settle.ts';
import { busContract } from './bus.ts';

onNats('a real NATS server', () => {
  let server: NatsTestServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server?.stop());

  for (const partitions of [3, 16]) {
    busContract(
      `NATS with ${partitions} partitions`,
      async () => {
        const prefix = `t${randomUUID().slice(0, 8)}`;
        const options = { servers: server.url, prefix, partitions };
        const bus = await natsBus(options);
        const probe = await natsProbe(server.url, prefix);
        return {
          bus,
          settle: () => probe.settle(),
          connect: () => natsBus(options),
          async close() {
            await bus.close();
            await probe.clear();
            await probe.close();
          },
        };
      },
      { runs: 5 },
    );
  }
});
