import { test } from 'vitest';
import { onNats, startNats } from '../servers/nats.ts';
import { expectQuickBench } from './bench-on.ts';

onNats('the benchmark of the bus on NATS', () => {
  test('compares the bus and placement with the bare client, and leaves nothing on the server', async () => {
    const server = await startNats();
    try {
      await expectQuickBench('nats', server.url, () => server.streams());
    } finally {
      await server.stop();
    }
  }, 600_000);
});
