/** A cluster of three servers stores three copies, and survives the loss of one server. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { natsBus } from '#shared/bus/nats/bus.ts';
import { natsStore } from '#shared/store/nats.ts';
import { locationOf, Recorder } from '../contract/bus-events.ts';
import { PATIENTLY } from '../patience.ts';
import { onNats, startNatsCluster } from '../servers/nats.ts';

const vms = Array.from({ length: 20 }, (_, i) => `vm-${i}`);
const ROUNDS = 60;

onNats('a cluster of three NATS servers', () => {
  test('loses no event and no record when one server is killed, and keeps the order of keys', async () => {
    const servers = await startNatsCluster();
    const options = {
      servers: servers.map(({ url }) => url),
      prefix: `t${randomUUID().slice(0, 8)}`,
      replicas: 3,
      partitions: 4,
    };
    try {
      const bus = await natsBus(options);
      const store = await natsStore(options);
      const seen = new Recorder();
      await bus.subscribe({ group: 'g', types: ['location.reported.v1'] }, async (batch) => {
        await pause(2);
        await seen.handler(batch);
      });
      let revision = 0;
      for (let round = 0; round < ROUNDS; round++) {
        if (round === ROUNDS / 3) await servers[0]!.kill();
        await bus.publish(vms.map((vm) => locationOf(vm, round)));
        [revision] = (await store.put([{ key: 'k', value: round, revision }])) as [number];
      }
      const all = Array.from({ length: ROUNDS }, (_, n) => n);
      await vi.waitFor(() => expect([...new Set(seen.of('vm-19'))].length).toBe(ROUNDS), {
        timeout: 40_000,
        interval: 50,
      });
      await vi.waitFor(() => expect(seen.deliveries.length).toBeGreaterThanOrEqual(ROUNDS * vms.length), PATIENTLY);
      for (const vm of vms) expect([...new Set(seen.of(vm))]).toEqual(all);
      expect(await store.get('k')).toEqual({ key: 'k', value: ROUNDS - 1, revision });
      await bus.close();
      await store.close();
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  }, 120_000);
});
