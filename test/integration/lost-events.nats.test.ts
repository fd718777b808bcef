/** After a power failure the server has lost the end of the stream of events, and nothing of the buckets. */
import { randomUUID } from 'node:crypto';
import { cpSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type NatsBus, natsBus } from '#shared/bus/nats/bus.ts';
import { namesOf } from '#shared/bus/nats/names.ts';
import { locationOf, Recorder } from '../contract/bus-events.ts';
import { PATIENTLY } from '../patience.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';

const types = ['location.reported.v1'] as const;

onNats('the bus on NATS, when the server has lost the last events and reuses their sequence numbers', () => {
  let server: NatsTestServer;
  let bus: NatsBus;
  let seen: Recorder;
  let files: string;
  const subscribe = () => bus.subscribe({ group: 'g', types }, seen.handler);
  const publish = (...numbers: number[]) => bus.publish(numbers.map((n) => locationOf('vm-1', n)));
  const handled = (...numbers: number[]) =>
    vi.waitFor(() => expect(seen.of('vm-1').slice(-numbers.length)).toEqual(numbers), PATIENTLY);
  const restart = async (reconnects: number) => {
    await server.restart();
    await vi.waitFor(() => expect(bus.counters.reconnects).toBe(reconnects), PATIENTLY);
  };
  /** Kills the server, and puts the stream of events back to the state of the copy. */
  const loseEvents = async () => {
    await server.kill();
    rmSync(files, { recursive: true });
    renameSync(`${server.dataFolder}.kept`, files);
  };
  beforeEach(async () => {
    server = await startNats();
    const prefix = `t${randomUUID().slice(0, 8)}`;
    bus = await natsBus({ servers: server.url, prefix, partitions: 1 });
    seen = new Recorder();
    files = join(server.dataFolder, 'jetstream', '$G', 'streams', namesOf(prefix, 1).events);
    await (await subscribe()).stop();
    await publish(1, 2, 3);
    await server.kill();
    cpSync(files, `${server.dataFolder}.kept`, { recursive: true });
    await restart(1);
  });
  afterEach(async () => {
    await bus.close();
    await server.stop();
  });

  test('a member that takes a partition over gets the events after the lost ones, each once', async () => {
    const first = await subscribe();
    await publish(4, 5, 6);
    await handled(1, 2, 3, 4, 5, 6);
    await first.stop();
    await loseEvents();
    await restart(2);
    await publish(7, 8, 9, 10);
    await subscribe();
    await handled(7, 8, 9, 10);
    expect(seen.of('vm-1')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('a member with an offset beyond the end of the stream gets the new events, each once', async () => {
    await subscribe();
    await publish(4, 5, 6);
    await handled(1, 2, 3, 4, 5, 6);
    // After this restart the offset of its consumer is 6.
    await server.kill();
    await restart(2);
    await vi.waitFor(() => expect(bus.counters.consumersRecreated).toBeGreaterThan(0), PATIENTLY);
    await loseEvents();
    const publishing = publish(7, 8, 9, 10);
    await restart(3);
    await publishing;
    await handled(7, 8, 9, 10);
    expect(seen.of('vm-1')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});
