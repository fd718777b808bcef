import { expect, test } from 'vitest';
import { benchNatsBus } from '#simulations/bench/bus/nats.ts';
import { onNats, startNats } from '../servers/nats.ts';

onNats('the benchmark of the bus on NATS', () => {
  test('measures both sides, and leaves nothing on the server', async () => {
    const server = await startNats();
    try {
      const rows = await benchNatsBus({ servers: server.url, events: 2_000, steadyMs: 500 });
      expect(rows.filter(({ metric }) => metric.includes('ratio')).length).toBe(2);
      for (const { metric, value } of rows) {
        expect(Number.isFinite(value), metric).toBe(true);
        expect(value, metric).toBeGreaterThan(0);
      }
      expect(await server.streams()).toEqual([]);
    } finally {
      await server.stop();
    }
  }, 60_000);
});
