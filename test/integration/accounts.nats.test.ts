/**
 * Each service has a user of its own on the NATS server, with the permissions of deploy/nats/accounts.conf. They suffice for a whole
 * move, and for nothing more.
 */
import { readFileSync } from 'node:fs';
import { connect, Events, type NatsConnection } from 'nats';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openMachines } from '#deploy/cli/run/machines.ts';
import { ACCESS, accountsConf, OPERATOR, publishOf, USERS, variableOf } from '#deploy/nats/accounts.ts';
import { PROCESSES, type ProcessName } from '#services/process/modules.ts';
import { createSingle, type Single } from '#services/process/single.ts';
import { joinInstallation } from '#services/runtime/installation.ts';
import { type NatsBus, natsBus } from '#shared/bus/nats/bus.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { type Data, EVENT_TYPES, type Event, encode, envelop, partitionOf } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { type NatsStore, natsStore } from '#shared/store/nats.ts';
import { PATIENTLY } from '../patience.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';
import { decided } from '../unit/shared/migration/world.ts';

const SHIPPED = readFileSync(new URL('../../deploy/nats/accounts.conf', import.meta.url), 'utf8');
const passwordOf = (user: string) => `the password of ${user}`;
const log = createLog('silent');
const clock = realClock();

test('the shipped accounts are those of the table; else run `npm run generate`', () => {
  expect(SHIPPED).toBe(accountsConf());
});

onNats('with the shipped accounts', () => {
  let server: NatsTestServer;
  const connections: NatsConnection[] = [];
  const running = new Map<ProcessName, { single: Single; bus: NatsBus; store: NatsStore; url: string }>();
  beforeAll(async () => {
    const passwords = USERS.map((user) => `${variableOf(user)}: "${passwordOf(user)}"`).join('\n');
    server = await startNats(SHIPPED.replace('include ./passwords.conf', passwords));
  });
  afterAll(async () => {
    for (const { single } of running.values()) await single.stop();
    await Promise.all(connections.map((nc) => nc.close()));
    await server?.stop();
  });

  async function run(name: ProcessName): Promise<void> {
    const config = parseConfig(
      JSON.stringify({
        ...{ http: { port: 0 }, heartbeatMs: 1000, policy: { dwellMs: 200 } },
        bus: { url: server.url, partitions: 4 },
        store: { url: server.url },
        sites: ['a', 'b'].map((site, i) => ({
          ...{ site, lat: 42, lon: -71 - 3 * i, slots: 9 },
          uplinks: [{ provider: 'p', rateBps: 125_000_000 }],
        })),
        vms: [
          {
            ...{ vm: 'v', home: 'a', sessions: [{ user: 'alice' }] },
            spec: { ramBytes: 1e8, dirtyRateBps: 0, workingSetBytes: 0 },
          },
        ],
      }),
      'accounts',
    );
    const options = { servers: server.url, credentials: { user: name, password: passwordOf(name) } };
    const bus = await natsBus({ ...options, partitions: 4 });
    const store = await natsStore(options);
    await joinInstallation(config, bus, store);
    const machines = () => openMachines(config, clock, store, log);
    const single = await createSingle(name, { config, clock, bus, store, log, machines });
    const { url } = await single.listen();
    running.set(name, { single, bus, store, url });
    await single.start();
  }

  async function connectAs(user: string): Promise<NatsConnection> {
    const nc = await connect({ servers: server.url, user, pass: passwordOf(user), reconnect: false });
    connections.push(nc);
    return nc;
  }

  /** The subjects that the server forbids a user to publish on, or to subscribe to. */
  async function forbiddenTo(user: string, subjects: readonly string[], subscribes = false): Promise<string[]> {
    const nc = await connectAs(user);
    const forbidden: string[] = [];
    const watch = async () => {
      for await (const { type, permissionContext } of nc.status()) {
        if (type === Events.Error && permissionContext) forbidden.push(permissionContext.subject);
      }
    };
    void watch();
    for (const subject of subjects) {
      if (subscribes) nc.subscribe(subject, { callback() {} });
      else nc.publish(subject, '{}');
    }
    await vi.waitFor(async () => {
      await nc.flush();
      expect(forbidden.length).toBe(subjects.length);
    }, PATIENTLY);
    return forbidden.toSorted();
  }

  test('the services start in any order and carry out a whole move, and the server forbids them nothing', async () => {
    const seen: Event['type'][] = [];
    const credentials = { user: OPERATOR, password: passwordOf(OPERATOR) };
    const watching = await natsBus({ servers: server.url, credentials, partitions: 4 });
    await watching.subscribe({ group: 'test', types: EVENT_TYPES }, async (batch) => {
      seen.push(...batch.map(({ event }) => event.type));
    });
    await Promise.all(PROCESSES.map(run));
    const report = async () => {
      const body = JSON.stringify({ user: 'alice', lat: 42, lon: -74 });
      const headers = { 'content-type': 'application/json' };
      const { status } = await fetch(`${running.get('ingest')!.url}/v1/locations`, { method: 'POST', headers, body });
      expect(status).toBe(202);
      expect(seen).toContain('migration.completed.v1');
    };
    await vi.waitFor(report, { timeout: 60_000, interval: 500 });
    expect(seen.filter((type) => type === 'event.rejected.v1')).toEqual([]);
    const { url } = running.get('dashboard')!;
    const headers = { 'content-type': 'application/json' };
    const token = { role: 'device', user: 'alice', expiresInMs: 60_000 };
    const issued = await fetch(`${url}/v1/tokens`, { method: 'POST', headers, body: JSON.stringify(token) });
    expect(issued.status).toBe(201);
    const erased = await fetch(`${running.get('monitor')!.url}/v1/users/alice`, { method: 'DELETE' });
    expect(await erased.json()).toMatchObject({ complete: true });
    for (const [name, { bus, store }] of running) {
      expect([name, bus.counters.serverErrors, store.counters.serverErrors]).toEqual([name, 0, 0]);
    }
    await watching.close();
  });

  test.each(PROCESSES)('%s can publish no event of another process, and write none of its records', async (name) => {
    const types = EVENT_TYPES.filter((type) => !ACCESS[name].publishes.includes(type));
    expect(types.length).toBeGreaterThan(6);
    const others = PROCESSES.filter((other) => other !== name).flatMap((other) => publishOf(other));
    const may = new Set(publishOf(name));
    const mayAll = [...may].flatMap((subject) => (subject.endsWith('.>') ? subject.slice(0, -1) : []));
    const isTheirs = (subject: string) => !may.has(subject) && !mayAll.some((begin) => subject.startsWith(begin));
    const theirs = others.filter((subject) => subject.startsWith('$KV.') && isTheirs(subject));
    const subjects = [
      ...types.map((type) => `tagalong.0.${type}.v`),
      ...new Set(theirs.map((subject) => subject.replace(/\*$/, '0').replace(/>$/, 'x'))),
      ...['$KV.tagalong_records.other', '_INBOX.other', 'owntracks.jane.phone'],
    ];
    expect(await forbiddenTo(name, subjects)).toEqual(subjects.toSorted());
    expect(await forbiddenTo(name, ['tagalong.>', '$KV.>', '>'], true)).toEqual(['$KV.>', '>', 'tagalong.>']);
  });

  test.each(PROCESSES)('%s can delete and purge no stream, and make none', async (name) => {
    const streams = ['tagalong_events', ...['records', 'places', 'members'].map((one) => `KV_tagalong_${one}`)];
    const orders = ['STREAM.DELETE', 'STREAM.PURGE', 'STREAM.MSG.DELETE', 'STREAM.RESTORE', 'STREAM.SNAPSHOT'];
    const all = streams.flatMap((stream) => orders.map((order) => `$JS.API.${order}.${stream}`));
    // The monitor erases users: it deletes single messages.
    const subjects = all.filter((subject) => name !== 'monitor' || !publishOf(name).includes(subject));
    if (name === 'monitor') expect(all.length - subjects.length).toBe(2);
    if (name !== 'migrator') subjects.push(...streams.map((stream) => `$JS.API.STREAM.UPDATE.${stream}`));
    subjects.push('$JS.API.STREAM.CREATE.other', '$JS.API.CONSUMER.CREATE.other.x');
    expect(await forbiddenTo(name, subjects)).toEqual(subjects.toSorted());
  });

  test('ingest cannot read the events of the bus', async () => {
    const subjects = ['CREATE.tagalong_events', 'CREATE.tagalong_events.x', 'MSG.NEXT.tagalong_events.x'];
    const apis = subjects.map((what) => `$JS.API.CONSUMER.${what}`);
    apis.push('$JS.API.STREAM.MSG.GET.tagalong_events', '$JS.API.DIRECT.GET.tagalong_events');
    expect(await forbiddenTo('ingest', apis)).toEqual(apis.toSorted());
  });

  test('a decision on a subject of ingest is no decision: it becomes a dead letter', async () => {
    const credentials = { user: OPERATOR, password: passwordOf(OPERATOR) };
    const watching = await natsBus({ servers: server.url, credentials, partitions: 4 });
    const letters: Data<'event.rejected.v1'>[] = [];
    await watching.subscribe({ group: 'letters', types: ['event.rejected.v1'] }, async (batch) => {
      for (const { event } of batch) if (event.type === 'event.rejected.v1') letters.push(event.data);
    });
    const ingest = await connectAs('ingest');
    const forged = envelop(decided('v', 99, { from: 'b', to: 'a' }), 'v:99', '/tagalong/placement');
    await ingest.jetstream().publish(`tagalong.${partitionOf('v', 4)}.location.reported.v1.v`, encode(forged));
    const isLetter = expect.objectContaining({ vm: 'v', code: 'EVENT_INVALID' });
    await vi.waitFor(() => expect(letters).toContainEqual(isLetter), PATIENTLY);
    await watching.close();
  });
});
