/** The bus on NATS while members and servers die, and while other programs write on its subjects. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, renameSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { headers, connect as rawConnect } from 'nats';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Bus } from '#shared/bus/bus.ts';
import { type NatsBus, natsBus } from '#shared/bus/nats/bus.ts';
import { namesOf } from '#shared/bus/nats/names.ts';
import type { NatsBusOptions } from '#shared/bus/nats/options.ts';
import type { Envelope } from '#shared/events/index.ts';
import { locationOf, Recorder, siteOf } from '../contract/bus-events.ts';
import { PATIENTLY } from '../patience.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';
import { firstHandled, type Handled } from './nats-handled.ts';

const PARTITIONS = 8;
const types = ['location.reported.v1'] as const;
const letterTypes = ['event.rejected.v1'] as const;
const vms = Array.from({ length: 40 }, (_, i) => `vm-${i}`);

async function publishSteadily(bus: Bus, rounds: number, between: (round: number) => Promise<void> | void) {
  for (let round = 0; round < rounds; round++) {
    await bus.publish(vms.map((vm) => locationOf(vm, round)));
    await between(round);
  }
}

onNats('the bus on NATS under faults', () => {
  let server: NatsTestServer;
  let prefix: string;
  const buses: NatsBus[] = [];
  const children: ChildProcess[] = [];
  const open = async (options: Partial<NatsBusOptions> = {}) => {
    const bus = await natsBus({ servers: server.url, prefix, partitions: PARTITIONS, ...options });
    buses.push(bus);
    return bus;
  };
  beforeEach(async () => {
    server = await startNats();
    prefix = `t${randomUUID().slice(0, 8)}`;
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
    await server.stop();
  });

  test('a killed member loses nothing: others take its partitions over within seconds, in order', async () => {
    const seen: (Handled & { by: number; atMs: number })[] = [];
    const assigned: (number[] | undefined)[] = [];
    const join = (by: number) => {
      const program = new URL('nats-member.main.ts', import.meta.url).pathname;
      const child = spawn(process.execPath, [program, server.url, prefix, String(PARTITIONS)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(child);
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const printed = JSON.parse(line) as Handled & { assigned?: number[] };
        if (printed.assigned) assigned[by] = printed.assigned;
        else seen.push({ ...printed, by, atMs: performance.now() });
      });
      return child;
    };
    const victim = join(0);
    join(1);
    await vi.waitFor(() => expect(assigned.map((mine) => mine?.length)).toEqual([4, 4]), PATIENTLY);
    const bus = await open();
    let killedMs = 0;
    await publishSteadily(bus, 100, async (round) => {
      if (round === 50) {
        killedMs = performance.now();
        victim.kill('SIGKILL');
        await once(victim, 'exit');
      }
    });
    await vi.waitFor(() => expect(seen.filter(({ n }) => n === 99).length).toBe(vms.length), PATIENTLY);
    expect(assigned[1]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const vm of vms) expect(firstHandled(seen, vm)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    const victims = new Set(seen.filter(({ by }) => by === 0).map(({ key }) => key));
    expect(victims.size).toBeGreaterThan(0);
    const takenOver = seen.find(({ key, by, atMs }) => by === 1 && victims.has(key) && atMs > killedMs)!;
    expect(takenOver.atMs - killedMs).toBeLessThan(8_000);
  });

  test('a member without a group gets the events from after a restart, also if it has received none before', async () => {
    const listener = await open();
    const seen = new Recorder();
    await listener.subscribe({ group: 'g', types, latest: true }, seen.handler);
    await server.kill();
    // By now the listener reconnects at longer intervals, so that another client is connected before it.
    await pause(1500);
    await server.restart();
    // Each key has several events, so that the last event of a key does not suffice.
    await (await open()).publish(vms.flatMap((vm) => [1, 2, 3].map((n) => locationOf(vm, n))));
    await vi.waitFor(() => {
      for (const vm of vms) expect([...new Set(seen.of(vm))]).toEqual([1, 2, 3]);
    }, PATIENTLY);
  });

  test('a server that is killed and started again loses nothing that was published, and keys stay in order', async () => {
    const bus = await open();
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types }, async (batch) => {
      await pause(1);
      await seen.handler(batch);
    });
    let back: Promise<void> = Promise.resolve();
    await publishSteadily(bus, 60, async (round) => {
      if (round !== 20) return;
      await server.kill();
      // Events that are published meanwhile wait.
      back = pause(700).then(() => server.restart());
    });
    await back;
    await vi.waitFor(() => {
      for (const vm of vms) expect([...new Set(seen.of(vm))].length).toBe(60);
    }, PATIENTLY);
    for (const vm of vms) expect([...new Set(seen.of(vm))]).toEqual(Array.from({ length: 60 }, (_, n) => n));
    expect(bus.counters.reconnects).toBeGreaterThan(0);
  });

  test('a server that lost events delivers the new ones', async () => {
    const bus = await open({ partitions: 1 });
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types }, seen.handler);
    await bus.publish([locationOf('vm-1', 1)]);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1]), PATIENTLY);
    await server.kill();
    cpSync(server.dataFolder, `${server.dataFolder}.kept`, { recursive: true });
    await server.restart();
    await vi.waitFor(() => expect(bus.counters.reconnects).toBe(1), PATIENTLY);
    await bus.publish([2, 3, 4].map((n) => locationOf('vm-1', n)));
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1, 2, 3, 4]), PATIENTLY);
    await server.kill();
    rmSync(server.dataFolder, { recursive: true });
    renameSync(`${server.dataFolder}.kept`, server.dataFolder);
    await server.restart();
    await vi.waitFor(() => expect(bus.counters.reconnects).toBe(2), PATIENTLY);
    await bus.publish([5, 6].map((n) => locationOf('vm-1', n)));
    await vi.waitFor(() => expect(seen.of('vm-1').slice(-2)).toEqual([5, 6]), PATIENTLY);
  });

  test('a server without a disk is an empty bus after a restart', async () => {
    const bus = await open({ partitions: 2, storage: 'memory' });
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types }, seen.handler);
    await bus.publish([locationOf('vm-1', 1)]);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1]), PATIENTLY);
    await server.restart();
    await vi.waitFor(async () => {
      await bus.publish([locationOf('vm-1', Date.now())]);
      expect(seen.of('vm-1').length).toBeGreaterThan(2);
    }, PATIENTLY);
  });

  test('a batch in flight is delivered once, although the server restarts', async () => {
    const bus = await open({ partitions: 1 });
    const seen = new Recorder();
    const release = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    let running = 0;
    let most = 0;
    await bus.subscribe({ group: 'g', types }, async (batch) => {
      running++;
      most = Math.max(most, running);
      begun.resolve();
      await release.promise;
      await seen.handler(batch);
      running--;
    });
    await bus.publish([locationOf('vm-1', 1)]);
    await begun.promise;
    await server.kill();
    await server.restart();
    await vi.waitFor(() => expect(bus.counters.reconnects).toBe(1), PATIENTLY);
    await bus.publish([locationOf('vm-1', 2)]);
    release.resolve();
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1, 2]), PATIENTLY);
    expect(most).toBe(1);
  });

  test('a deleted consumer is created again, at the offset of its group', async () => {
    const bus = await open({ partitions: 1 });
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types }, seen.handler);
    await bus.publish([locationOf('vm-1', 1)]);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1]), PATIENTLY);
    const nc = await rawConnect({ servers: server.url });
    const jsm = await nc.jetstreamManager();
    const { events } = namesOf(prefix, 1);
    for await (const { name } of jsm.consumers.list(events)) await jsm.consumers.delete(events, name);
    await nc.close();
    await bus.publish([locationOf('vm-1', 2)]);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1, 2]), PATIENTLY);
    expect(bus.counters.consumersRecreated).toBe(1);
  });

  test('invalid messages become dead letters, and the events that follow are handled', async () => {
    const bus = await open({ partitions: 1 });
    const [seen, letters] = [new Recorder(), new Recorder()];
    await bus.subscribe({ group: 'g', types }, seen.handler);
    await bus.subscribe({ group: 'letters', types: letterTypes }, letters.handler);
    const names = namesOf(prefix, 1);
    const right = locationOf('vm-1', 1);
    const subject = names.subject(right);
    const nc = await rawConnect({ servers: server.url });
    nc.publish(subject, 'not JSON');
    nc.publish(subject, new Uint8Array([0xff, 0xfe, 0x00]));
    nc.publish(subject, JSON.stringify({ ...right, data: { vm: 'vm-1' } }));
    nc.publish(subject.replace('vm-1', 'vm-2'), JSON.stringify(right));
    nc.publish(subject.replace('vm-1', '=zz'), '{}');
    await nc.flush();
    await nc.close();
    await bus.publish([right]);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1]), PATIENTLY);
    await vi.waitFor(() => expect(letters.deliveries.length).toBe(5), PATIENTLY);
    const data = letters.deliveries.map(({ event }) => (event as Envelope<'event.rejected.v1'>).data);
    expect(data.map(({ vm, code }) => [vm, code]).sort()).toEqual([
      ['unknown', 'EVENT_INVALID'],
      ['vm-1', 'EVENT_INVALID'],
      ['vm-1', 'EVENT_INVALID'],
      ['vm-1', 'EVENT_INVALID'],
      ['vm-2', 'EVENT_INVALID'],
    ]);
    expect(data.find(({ vm }) => vm === 'vm-1')?.original).toBe('not JSON');
    await vi.waitFor(() => expect(bus.lag().map(({ events }) => events)).toEqual([0, 0]), PATIENTLY);
    expect(bus.counters.undecodable).toBe(5);
  });

  test('a slow handler of a full request keeps its consumer', async () => {
    const bus = await open({ partitions: 1 });
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types }, async (batch) => {
      // The server reports a complete request while the member has no room for the next one.
      await pause(300);
      await seen.handler(batch);
    });
    const events = Array.from({ length: 8_000 }, (_, n) => locationOf(`vm-${n % 40}`, n));
    await bus.publish(events);
    await vi.waitFor(() => expect(seen.deliveries.length).toBe(events.length), PATIENTLY);
    expect(bus.counters.consumersRecreated).toBe(0);
  });

  test('a group gets only the types that it subscribed to', async () => {
    const bus = await open({ partitions: 1 });
    const seen = new Recorder();
    const wanted = [...types, 'vm.retired.v1'] as const;
    await bus.subscribe({ group: 'g', types: wanted }, seen.handler);
    await bus.publish([locationOf('vm-1', 1), siteOf('bos', 1), locationOf('vm-1', 2), siteOf('bos', 2)]);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1, 2]), PATIENTLY);
    await vi.waitFor(() => expect(bus.lag().map(({ events }) => events)).toEqual([0]), PATIENTLY);
    expect(new Set(seen.deliveries.map(({ event }) => event.type))).toEqual(new Set(types));
  });

  test('an event that a foreign client repeats or publishes late is handled, and the next ones too', async () => {
    const bus = await open({ partitions: 1 });
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types }, seen.handler);
    const nc = await rawConnect({ servers: server.url });
    const raw = (n: number, id?: string) => {
      const event = locationOf('vm-1', n);
      const own = headers();
      if (id !== undefined) own.set('Nats-Msg-Id', id);
      nc.publish(namesOf(prefix, 1).subject(event), JSON.stringify(event), { headers: own });
    };
    for (const n of [3, 1, 2, 2]) raw(n);
    raw(4, 'vm-1/4');
    await nc.flush();
    await nc.close();
    // The stream drops this repeat, because it has the same id.
    await bus.publish([locationOf('vm-1', 4)]);
    await bus.publish([locationOf('vm-1', 5)]);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([3, 1, 2, 2, 4, 5]), PATIENTLY);
  });

  test('an event that killed its process several times becomes a dead letter at once', async () => {
    const bus = await open({ partitions: 1 });
    const [seen, letters] = [new Recorder(), new Recorder()];
    await bus.subscribe({ group: 'letters', types: letterTypes }, letters.handler);
    await (await bus.subscribe({ group: 'g', types }, seen.handler)).stop();
    await bus.publish([locationOf('vm-1', 1), locationOf('vm-1', 2)]);
    const nc = await rawConnect({ servers: server.url });
    const kv = await nc.jetstream().views.kv(namesOf(prefix, 1).places);
    const place = (await kv.get('g.0'))!.json<object>();
    await kv.put('g.0', JSON.stringify({ ...place, refusals: 5 }));
    await nc.close();
    await bus.subscribe({ group: 'g', types }, seen.handler);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([2]), PATIENTLY);
    await vi.waitFor(
      () => expect(letters.deliveries.map(({ event }) => event.id)).toEqual(['rejected:g:vm-1/1']),
      PATIENTLY,
    );
  });

  test('publish refuses an event that is too large', async () => {
    const bus = await open();
    const heartbeat = siteOf('bos', 1);
    const vms = Array.from({ length: 9_000 }, (_, i) => String(i).padEnd(128, 'x'));
    await expect(bus.publish([{ ...heartbeat, data: { ...heartbeat.data, vms } }])).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
    });
  });

  test('the number of partitions of an installation cannot change', async () => {
    await open();
    await expect(open({ partitions: 4 })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(String(PARTITIONS)),
    });
  });
});
