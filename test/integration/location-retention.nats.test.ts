/** Positions of users are kept for a shorter time than other events. */
import { randomUUID } from 'node:crypto';
import { connect } from 'nats';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Bus } from '#shared/bus/bus.ts';
import { natsBus } from '#shared/bus/nats/bus.ts';
import { type Event, envelop } from '#shared/events/index.ts';
import { locationOf, Recorder } from '../contract/bus-events.ts';
import { PATIENTLY } from '../patience.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';

onNats('positions on NATS', () => {
  let server: NatsTestServer;
  let prefix: string;
  const buses: Bus[] = [];
  const open = async (locationMaxAgeMs: number) => {
    const bus = await natsBus({ servers: server.url, prefix, partitions: 2, maxAgeMs: 3_600_000, locationMaxAgeMs });
    buses.push(bus);
    return bus;
  };
  const stored = async () => {
    const nc = await connect({ servers: server.url });
    const jsm = await nc.jetstreamManager();
    const { state, config } = await jsm.streams.info(`${prefix}_events`, { subjects_filter: '>' });
    await nc.close();
    return { subjects: Object.keys(state.subjects ?? {}), config: config as { allow_msg_ttl?: boolean } };
  };
  const detached = (n: number): Event =>
    envelop(
      { type: 'session.detached.v1', data: { vm: 'vm-1', user: 'ann', atMs: n } },
      `detached-${n}`,
      '/tagalong/test',
    );

  beforeAll(async () => {
    server = await startNats();
    prefix = `t${randomUUID().slice(0, 8)}`;
  });
  afterAll(async () => {
    await Promise.all(buses.map((bus) => bus.close()));
    await server.stop();
  });

  test('are deleted when they are too old; a group that was away goes on with the other events', async () => {
    const bus = await open(1_000);
    const seen = new Recorder();
    const types = ['location.reported.v1', 'session.detached.v1'] as const;
    await (await bus.subscribe({ group: 'g', types }, seen.handler)).stop();
    await bus.publish([locationOf('vm-1', 1), detached(2), locationOf('vm-1', 3)]);
    expect((await stored()).subjects.filter((subject) => subject.includes('location'))).toHaveLength(1);
    const gone = async () =>
      expect((await stored()).subjects.map((subject) => subject.split('.').slice(2).join('.'))).toEqual([
        'session.detached.v1.vm-1',
      ]);
    await vi.waitFor(gone, PATIENTLY);
    await bus.publish([locationOf('vm-1', 4)]);
    await bus.subscribe({ group: 'g', types }, seen.handler);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([2, 4]), PATIENTLY);
  });

  test('are kept as long as other events if so configured; a stream of an older program learns it', async () => {
    prefix = `t${randomUUID().slice(0, 8)}`;
    const nc = await connect({ servers: server.url });
    const jsm = await nc.jetstreamManager();
    await jsm.streams.add({ name: `${prefix}_events`, subjects: [`${prefix}.>`] });
    await nc.close();
    const bus = await open(3_600_000);
    await bus.publish([locationOf('vm-1', 1)]);
    const { subjects, config } = await stored();
    expect(subjects).toHaveLength(1);
    expect(config.allow_msg_ttl).toBe(true);
  });
});
