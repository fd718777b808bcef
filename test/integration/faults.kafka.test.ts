import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Bus, Handler } from '#shared/bus/bus.ts';
import { kafkaBus } from '#shared/bus/kafka/bus.ts';
import type { KafkaBusOptions } from '#shared/bus/kafka/options.ts';
import { type Envelope, encode, partitionOf } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { gate, locationOf, Recorder, siteOf } from '../contract/bus-events.ts';
import { PATIENTLY } from '../patience.ts';
import { freshPrefix, type KafkaServers, startKafka } from '../servers/kafka.ts';
import { onKafka } from '../servers/on-kafka.ts';

const PARTITIONS = 4;
const types = ['location.reported.v1'] as const;
const vms = Array.from({ length: 12 }, (_, i) => `vm-${i}`);

/** The events of one VM in the order in which they arrived first. Repeats are allowed. */
const order = (taken: Iterable<string>, vm: string) => [...new Set([...taken].filter((id) => id.startsWith(`${vm}/`)))];

onKafka('the Kafka bus, beyond the contract', () => {
  let servers: KafkaServers;
  beforeAll(async () => {
    servers = await startKafka();
  }, 60_000);
  afterAll(() => servers?.stop());

  let prefix: string;
  const buses: Bus[] = [];
  const children: ChildProcess[] = [];
  beforeEach(() => {
    prefix = freshPrefix();
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
  });

  const open = async (options: Partial<KafkaBusOptions> = {}) => {
    const timing = { sessionTimeoutMs: 2_000, heartbeatMs: 100, lagMs: 100, ...options.timing };
    const common = { brokers: servers.brokers, prefix, partitions: PARTITIONS, replication: 1 };
    const bus = await kafkaBus({ ...common, ...options, timing });
    buses.push(bus);
    return bus;
  };
  const subscribe = (bus: Bus, handler: Handler, group = 'g') => bus.subscribe({ group, types }, handler);
  const waiting = (bus: Bus) => bus.lag().reduce((sum, { events }) => sum + events, 0);
  const raw = () => new Kafka({ brokers: [...servers.brokers], logLevel: logLevel.NOTHING });

  test('a killed member loses nothing: another takes over, in order', async () => {
    const bus = await open();
    const main = new URL('kafka-member.main.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [main, servers.brokers.join(), prefix, 'g']);
    children.push(child);
    const taken: string[] = [];
    const byChild: string[] = [];
    let complaints = '';
    child.stderr.on('data', (data) => {
      complaints += data;
    });
    const joined = gate();
    createInterface(child.stdout).on('line', (line) => {
      if (line === 'joined') joined.open();
      else {
        taken.push(line);
        byChild.push(line);
      }
    });
    await joined.opened;
    await subscribe(bus, async (batch) => {
      for (const { event } of batch) taken.push(event.id);
    });
    for (let n = 0; n < 100; n++) await bus.publish(vms.map((vm) => locationOf(vm, n)));
    await vi.waitFor(() => expect(byChild.length).toBeGreaterThan(50), PATIENTLY);
    child.kill('SIGKILL');
    for (let n = 100; n < 120; n++) await bus.publish(vms.map((vm) => locationOf(vm, n)));
    await vi.waitFor(() => expect(new Set(taken).size).toBe(120 * vms.length), PATIENTLY);
    for (const vm of vms) expect(order(taken, vm)).toEqual(Array.from({ length: 120 }, (_, n) => `${vm}/${n}`));
    // Standard error holds neither kafkajs's log nor Node's TimeoutNegativeWarning.
    expect(complaints).toBe('');
  });

  test('the log has a line for each process that joins or leaves a group', async () => {
    const lines: { msg: string; group?: string; process?: string }[] = [];
    const bus = await open({ log: createLog('info', { write: (line) => void lines.push(JSON.parse(line)) }) });
    await subscribe(bus, async () => {});
    const main = new URL('kafka-member.main.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, [main, servers.brokers.join(), prefix, 'g']);
    children.push(child);
    const linesOf = (what: string) =>
      lines.filter(({ msg, group, process }) => msg === what && group === 'g' && process?.endsWith(`/${child.pid}`));
    await vi.waitFor(() => expect(linesOf('a member joined')).toHaveLength(1), PATIENTLY);
    expect(linesOf('a member left')).toHaveLength(0);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(linesOf('a member left')).toHaveLength(1), PATIENTLY);
    expect(linesOf('a member joined')).toHaveLength(1);
  }, 60_000);

  test('a broker that is killed and restarted loses nothing', async () => {
    const bus = await open();
    const taken: string[] = [];
    await subscribe(bus, async (batch) => {
      for (const { event } of batch) taken.push(event.id);
    });
    const publishing = (async () => {
      for (let n = 0; n < 200; n++) {
        await bus.publish(vms.map((vm) => locationOf(vm, n)));
        await sleep(5);
      }
    })();
    await sleep(300);
    await servers.kill(0);
    await sleep(500);
    await servers.restart(0);
    await publishing;
    await vi.waitFor(() => expect(new Set(taken).size).toBe(200 * vms.length), PATIENTLY);
    for (const vm of vms) expect(order(taken, vm)).toEqual(Array.from({ length: 200 }, (_, n) => `${vm}/${n}`));
  }, 60_000);

  test('an invalid message becomes a dead letter, a repeat is delivered again, and neither stops a member', async () => {
    const bus = await open();
    const [seen, letters, sites] = [new Recorder(), new Recorder(), new Recorder()];
    await subscribe(bus, seen.handler);
    await bus.subscribe({ group: 'letters', types: ['event.rejected.v1'] }, letters.handler);
    const producer = raw().producer();
    await producer.connect();
    const partition = partitionOf('vm-1', PARTITIONS);
    const event = locationOf('vm-1', 1);
    const put = (value: string | null, at = partition) => ({ key: 'vm-1', partition: at, value });
    await producer.send({
      topic: `${prefix}.locations`,
      messages: [
        put('not JSON'),
        put(encode(event)),
        put(encode(event)),
        put(JSON.stringify({ ...event, data: { vm: 'vm-1' } })),
        put(null),
        put(encode(locationOf('vm-1', 2)), (partition + 1) % PARTITIONS),
        { ...put('not wanted, and so not read'), headers: { ce_type: 'vm.declared.v1' } },
      ],
    });
    await producer.send({ topic: `${prefix}.latest`, messages: [{ key: 'bos', value: 'not a site' }] });
    await bus.publish([locationOf('vm-1', 3), siteOf('nyc', 1)]);
    await bus.subscribe({ group: 'sites', types: ['site.reported.v1'], latest: true }, sites.handler);
    await vi.waitFor(() => expect(letters.deliveries.length).toBe(5), PATIENTLY);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([1, 1, 3]), PATIENTLY);
    expect(sites.of('nyc')).toEqual([1]);
    const data = letters.deliveries.map(({ event }) => (event as Envelope<'event.rejected.v1'>).data);
    expect(new Set(data.map(({ code }) => code))).toEqual(new Set(['EVENT_INVALID']));
    expect(data.map(({ original }) => original)).toContain('not JSON');
    await producer.disconnect();
  });

  test('a new group gets every event from its first subscription on, also while others join', async () => {
    const seen = new Recorder();
    const members = [await open(), await open(), await open()].map((bus) => subscribe(bus, seen.handler));
    await Promise.any(members);
    await buses[0]!.publish(vms.map((vm) => locationOf(vm, 1)));
    await Promise.all(members);
    await vi.waitFor(() => expect(new Set(seen.vms())).toEqual(new Set(vms)), PATIENTLY);
  });

  test('another process goes on counting the attempts', async () => {
    const [a, b] = [await open(), await open()];
    const attempts: number[] = [];
    const tried = gate();
    const first = await subscribe(a, async ([delivery]) => {
      attempts.push(delivery!.attempt);
      if (attempts.length === 2) tried.open();
      throw new Error('no');
    });
    await a.publish([locationOf('vm-1', 1)]);
    await tried.opened;
    await first.stop();
    await subscribe(b, async ([delivery]) => {
      attempts.push(delivery!.attempt);
    });
    await vi.waitFor(() => expect(waiting(b)).toBe(0), PATIENTLY);
    await vi.waitFor(() => expect(attempts.length).toBeGreaterThan(2), PATIENTLY);
    expect(attempts).toEqual(attempts.map((_, i) => i + 1));
  });

  test('a handler that takes longer than a session keeps its partition', async () => {
    const [a, b] = [await open(), await open()];
    const [slow, other] = [new Recorder(), new Recorder()];
    const begun = gate();
    await subscribe(a, async (batch) => {
      begun.open();
      await sleep(4_000);
      await slow.handler(batch);
    });
    await a.publish([locationOf('vm-1', 1)]);
    await begun.opened;
    await subscribe(b, other.handler);
    await a.publish([locationOf('vm-1', 2)]);
    await vi.waitFor(() => expect([...slow.of('vm-1'), ...other.of('vm-1')]).toEqual([1, 2]), PATIENTLY);
    expect(slow.of('vm-1')[0]).toBe(1);
  });

  test('a handler that lost its partition commits no offset', async () => {
    const timing = { rebalanceTimeoutMs: 1_000, sessionTimeoutMs: 2_000, heartbeatMs: 100, lagMs: 100 };
    const [a, b] = [await open({ timing }), await open({ timing })];
    const [begun, finish, taken, stuck] = [gate(), gate(), gate(), gate()];
    const late = await subscribe(a, async () => {
      begun.open();
      await finish.opened;
    });
    await a.publish([locationOf('vm-1', 1)]);
    await begun.opened;
    // The new member waits a second for the batch of the first, then gets the partition and the same event.
    await subscribe(b, async () => {
      taken.open();
      await stuck.opened;
    });
    await taken.opened;
    await vi.waitFor(() => expect(waiting(b)).toBe(1), PATIENTLY);
    const left = late.stop();
    finish.open();
    await left;
    await sleep(500);
    expect(waiting(b)).toBe(1);
    stuck.open();
    await vi.waitFor(() => expect(waiting(b)).toBe(0), PATIENTLY);
  });

  test('a member that was expelled and rejoins gets its partitions assigned again', async () => {
    const assignments: string[] = [];
    const assigned = (partitions: readonly number[]) => void assignments.push(partitions.join());
    await (await open()).subscribe({ group: 'g', types, exclusive: true, assigned }, async () => {});
    expect(assignments).toEqual(['0,1,2,3']);
    // This loop blocks the process, so that the brokers receive no heartbeat of the member.
    for (const untilMs = Date.now() + 4_000; Date.now() < untilMs; );
    await vi.waitFor(() => expect(assignments).toEqual(['0,1,2,3', '0,1,2,3']), PATIENTLY);
  });

  test('a group whose next events are deleted continues with the earliest that exist', async () => {
    const bus = await open();
    const seen = new Recorder();
    await (await subscribe(bus, seen.handler)).stop();
    await bus.publish([1, 2, 3, 4].map((n) => locationOf('vm-1', n)));
    const admin = raw().admin();
    await admin.connect();
    const partition = partitionOf('vm-1', PARTITIONS);
    // kafkajs deletes records only of topics whose metadata it has.
    await admin.fetchTopicOffsets(`${prefix}.locations`);
    await admin.deleteTopicRecords({ topic: `${prefix}.locations`, partitions: [{ partition, offset: '2' }] });
    await admin.disconnect();
    await subscribe(bus, seen.handler);
    await vi.waitFor(() => expect(seen.of('vm-1')).toEqual([3, 4]), PATIENTLY);
  });

  test('publish splits events over requests in order, and refuses an event that no request can hold', async () => {
    const bus = await open();
    const seen = new Recorder();
    await subscribe(bus, seen.handler);
    const events = Array.from({ length: 6_000 }, (_, n) => locationOf('vm-1', n));
    await Promise.all([bus.publish(events.slice(0, 5_000)), bus.publish(events.slice(5_000))]);
    // On a busy machine the group may deliver a batch again, but the topic has each event once.
    await vi.waitFor(() => expect(new Set(seen.of('vm-1')).size).toBe(6_000), PATIENTLY);
    expect([...new Set(seen.of('vm-1'))]).toEqual(events.map(({ data }) => data.atMs));
    const admin = raw().admin();
    await admin.connect();
    const offsets = await admin.fetchTopicOffsets(`${prefix}.locations`);
    await admin.disconnect();
    expect(offsets.reduce((sum, { high }) => sum + Number(high), 0)).toBe(6_000);
    const rtts = Array.from({ length: 64 }, (_, i) => ({ site: `${i}`.padEnd(128, 'x'), rttMs: 1 }));
    const long = { ...events[0]!, id: 'x'.repeat(1_000_000), data: { ...events[0]!.data, rtts } };
    await expect(bus.publish([long])).rejects.toMatchObject({ code: 'EVENT_INVALID' });
  });

  test('a standby that joins leaves the partitions with the member that has them', async () => {
    const assignments: (readonly number[])[] = [];
    const join = async (member: number) => {
      const assigned = (partitions: readonly number[]) => {
        assignments[member] = partitions;
      };
      return (await open()).subscribe({ group: 'g', types, exclusive: true, assigned }, async () => {});
    };
    for (let member = 0; member < 4; member++) await join(member);
    expect(assignments.map(({ length }) => length)).toEqual([PARTITIONS, 0, 0, 0]);
  });

  test('a bus that is unreachable or unfit fails with its code', async () => {
    await expect(kafkaBus({ brokers: ['127.0.0.1:1'] })).rejects.toMatchObject({ code: 'BUS_UNREACHABLE' });
    await expect(open({ replication: 3 })).rejects.toMatchObject({ code: 'BUS_UNFIT' });
    await open();
    await expect(open({ partitions: 5 })).rejects.toMatchObject({ code: 'BUS_UNFIT' });
  });
});
