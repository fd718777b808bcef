import { expect, test } from 'vitest';
import { natsBus } from '#shared/bus/nats/bus.ts';
import { natsStore } from '#shared/store/nats.ts';
import { onNats, startNats } from '../servers/nats.ts';
import { upgrades } from './upgrade-on.ts';

onNats('on NATS', () => {
  test('the services open a store without record versions, and lose nothing', async () => {
    const server = await startNats();
    try {
      const bus = await natsBus({ servers: server.url, partitions: 4 });
      await upgrades(bus, await natsStore({ servers: server.url }));
      expect.hasAssertions();
    } finally {
      await server.stop();
    }
  });
});
