import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll } from 'vitest';
import { natsStore } from '#shared/store/nats.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';
import { storeContract } from './store.ts';

onNats('a real NATS server', () => {
  let server: NatsTestServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server?.stop());

  storeContract(
    'NATS',
    async () => {
      const options = { servers: server.url, prefix: `t${randomUUID().slice(0, 8)}` };
      const store = await natsStore(options);
      return { store, reopen: () => natsStore(options), close: () => store.close() };
    },
    { runs: 20 },
  );
});
