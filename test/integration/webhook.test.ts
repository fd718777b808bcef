/** Webhooks get notifications of moves in the form of ETSI MEC 021. A real HTTP server accepts or refuses them. */
import { createHmac, randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { MobilityProcedureNotification } from '#services/webhook/mec021.ts';
import { createWebhooks, type Webhooks } from '#services/webhook/service.ts';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Data, type Event, envelop, type Fact, type Figures } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { PATIENTLY } from '../patience.ts';
import { orderMove, writeMigration } from '../placement-order.ts';
import { decided } from '../unit/shared/migration/world.ts';

const figures: Figures = {
  ...{ durationMs: 1, pauseMs: 1, interruptionMs: 1, bytes: 1, bytesByPath: {} },
  ...{ rounds: 1, subflows: 2, degraded: [] },
};
const AT_MS = 1_700_000_000_250;
const move = (migration: string, atMs = AT_MS) => ({ migration, vm: 'v1', from: 'east', to: 'west', atMs });
const facts = {
  accepted: { type: 'migration.accepted.v1', data: move('v1:1') },
  completed: { type: 'migration.completed.v1', data: { ...move('v1:1'), figures } },
  failed: {
    type: 'migration.failed.v1',
    data: { ...move('v1:2'), phase: 'memory', code: 'STALLED', reason: 'x', runsAt: 'east', figures },
  },
  cancelled: { type: 'migration.cancelled.v1', data: { ...move('v1:3'), phase: 'disk', by: 'operator', figures } },
  switched: { type: 'migration.switched.v1', data: { ...move('v1:1'), pauseMs: 3 } },
} satisfies Record<string, Fact>;
const event = (name: keyof typeof facts): Event => envelop(facts[name], `${name}`, '/test');

let bus: MemoryBus;
let store: Store;
let webhooks: Webhooks | undefined;
let receiver: FastifyInstance;
let notified: {
  body: MobilityProcedureNotification;
  text: string;
  headers: IncomingHttpHeaders;
  authorization: string | undefined;
}[];
let status: number;
let url: string;

beforeEach(async () => {
  bus = memoryBus();
  store = memoryStore();
  notified = [];
  status = 204;
  receiver = Fastify();
  receiver.addContentTypeParser('application/json', { parseAs: 'string' }, async (_: unknown, body: unknown) => body);
  receiver.post('/ams', async ({ body, headers }, reply) => {
    const text = body as string;
    notified.push({ body: JSON.parse(text), text, headers, authorization: headers.authorization });
    return reply.code(status).send();
  });
  url = `${await receiver.listen({ host: '127.0.0.1', port: 0 })}/ams`;
});
afterEach(async () => {
  await webhooks?.stop();
  await bus.close();
  await receiver.close();
});

async function listen(...hooks: { name: string; url: string; token?: string; signingKey?: string }[]) {
  const config = { ...DEFAULT_CONFIG, webhooks: hooks };
  webhooks = createWebhooks({ bus, store, clock: realClock(), config, log: createLog('silent') });
  await webhooks.start();
}

const decision = (seq: number) => decided('v1', seq, { from: 'east', to: 'west', atMs: AT_MS });
/** Placement orders moves 1 to `n`. */
async function ordered(n: number): Promise<void> {
  for (let seq = 1; seq <= n; seq++) {
    await orderMove(bus, store, decision(seq));
    await bus.idle();
  }
}

test('a webhook gets the acceptance and the end of a move, in order, with the site of the VM', async () => {
  await listen({ name: 'ams', url, token: 'a token of more than sixteen' });
  await ordered(3);
  await bus.publish([event('accepted'), event('switched'), event('completed'), event('failed'), event('cancelled')]);
  await vi.waitFor(() => expect(notified).toHaveLength(4), PATIENTLY);
  const notification = (mobilityStatus: string, hostName: string) => ({
    notificationType: 'MobilityProcedureNotification',
    timeStamp: { seconds: 1_700_000_000, nanoSeconds: 250_000_000 },
    associateId: [],
    mobilityStatus,
    targetAppInfo: { appInstanceId: 'v1', hostInformation: { hostName } },
  });
  expect(notified.map(({ body }) => body)).toEqual([
    notification('INTERHOST_MOVEOUT_TRIGGERED', 'west'),
    notification('INTERHOST_MOVEOUT_COMPLETED', 'west'),
    notification('INTERHOST_MOVEOUT_FAILED', 'east'),
    notification('INTERHOST_MOVEOUT_FAILED', 'east'),
  ]);
  expect(notified[0]!.authorization).toBe('Bearer a token of more than sixteen');
});

test('a receiver verifies the signature of each attempt, which has one id and a time of its own', async () => {
  const secret = randomBytes(32);
  status = 503;
  await listen({ name: 'ams', url, signingKey: `whsec_${secret.toString('base64')}` });
  await ordered(1);
  await bus.publish([event('accepted')]);
  await vi.waitFor(() => expect(notified.length).toBeGreaterThanOrEqual(2), PATIENTLY);
  status = 204;
  for (const { headers, text } of notified) {
    const [id, time] = [headers['webhook-id'], headers['webhook-timestamp']];
    const expected = createHmac('sha256', secret).update(`${id}.${time}.${text}`).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected}`);
    expect(Math.abs(Number(time) - Date.now() / 1000)).toBeLessThan(60);
  }
  expect(new Set(notified.map(({ headers }) => headers['webhook-id']))).toEqual(new Set(['accepted']));
});

test('a refused notification becomes a dead letter without the address; other webhooks get theirs', async () => {
  const rejected: Event[] = [];
  await bus.subscribe({ group: 'letters', types: ['event.rejected.v1'] }, async (batch) => {
    rejected.push(...batch.map((delivery) => delivery.event));
  });
  await listen({ name: 'gone', url: `${url}/nowhere?secret=abc` }, { name: 'ams', url });
  await ordered(1);
  await bus.publish([event('accepted'), event('completed')]);
  await vi.waitFor(() => expect(notified).toHaveLength(2), PATIENTLY);
  await vi.waitFor(() => expect(rejected).toHaveLength(2), PATIENTLY);
  expect(rejected[0]!.data).toMatchObject({ code: 'WEBHOOK_FAILED', reason: expect.stringContaining('answered 404') });
  expect(JSON.stringify(rejected)).not.toContain('secret');
});

test('an unavailable webhook gets each notification again, in order, until it accepts', async () => {
  status = 503;
  await listen({ name: 'ams', url });
  await ordered(1);
  await bus.publish([event('accepted'), event('completed')]);
  await vi.waitFor(() => expect(notified.length).toBeGreaterThanOrEqual(2), PATIENTLY);
  status = 200;
  await vi.waitFor(() => expect(notified.at(-1)!.body.mobilityStatus).toBe('INTERHOST_MOVEOUT_COMPLETED'), PATIENTLY);
  const statuses = notified.map(({ body }) => body.mobilityStatus);
  expect(statuses.indexOf('INTERHOST_MOVEOUT_COMPLETED'), 'after the first was accepted').toBe(statuses.length - 1);
});

test('the service stops without waiting for an unavailable webhook', async () => {
  status = 503;
  await listen({ name: 'ams', url });
  await ordered(1);
  await writeMigration(store, decision(1).data as Data<'placement.decided.v1'>);
  await bus.publish([event('accepted')]);
  await vi.waitFor(() => expect(notified.length).toBeGreaterThanOrEqual(3), PATIENTLY);
  await webhooks!.stop();
  const before = notified.length;
  status = 200;
  await listen({ name: 'ams', url });
  await vi.waitFor(() => expect(notified.length).toBeGreaterThan(before), PATIENTLY);
});

test('events of moves that placement did not order are not told, and counted; the true ones are', async () => {
  await listen({ name: 'ams', url });
  await ordered(1);
  const forged = (fact: Fact, id: string) => envelop(fact, id, '/tagalong/migrator');
  const elsewhere = { ...facts.completed.data, to: 'atlantis' };
  await bus.publish([
    forged({ ...facts.completed, data: elsewhere }, 'f1'),
    forged({ type: 'migration.accepted.v1', data: move('v1:99') }, 'f2'),
    forged({ type: 'migration.accepted.v1', data: { ...move('ghost:1'), vm: 'ghost' } }, 'f3'),
    forged(decided('v1', 99, { from: 'west', to: 'east', atMs: AT_MS }), 'f4'),
    event('accepted'),
    event('completed'),
    forged({ ...facts.failed, data: { ...facts.failed.data, migration: 'v1:1' } }, 'f5'),
  ]);
  await vi.waitFor(() => expect(notified).toHaveLength(2));
  await bus.idle();
  expect(notified.map(({ body }) => body.mobilityStatus)).toEqual([
    'INTERHOST_MOVEOUT_TRIGGERED',
    'INTERHOST_MOVEOUT_COMPLETED',
  ]);
  expect(webhooks!.refused).toBe(4);
});

test('the end of a move whose notification failed is told when an operator replays it', async () => {
  const rejected: Event[] = [];
  await bus.subscribe({ group: 'letters', types: ['event.rejected.v1'] }, async (batch) => {
    rejected.push(...batch.map((delivery) => delivery.event));
  });
  await listen({ name: 'ams', url });
  await ordered(1);
  status = 400;
  await bus.publish([event('accepted'), event('completed')]);
  await vi.waitFor(() => expect(rejected).toHaveLength(2), 10_000);
  status = 204;
  notified = [];
  await bus.publish([{ ...event('completed'), id: 'replay:completed' }]);
  await vi.waitFor(() => expect(notified).toHaveLength(1));
  expect(webhooks!.refused).toBe(0);
});

test('an event whose move no record proves any more becomes a dead letter, and is not dropped', async () => {
  const rejected: Event[] = [];
  await bus.subscribe({ group: 'letters', types: ['event.rejected.v1'] }, async (batch) => {
    rejected.push(...batch.map((delivery) => delivery.event));
  });
  await writeMigration(store, decision(2).data as Data<'placement.decided.v1'>);
  await listen({ name: 'ams', url });
  await bus.publish([event('completed'), event('failed')]);
  await vi.waitFor(() => expect(rejected).toHaveLength(1), PATIENTLY);
  expect(rejected[0]!.data).toMatchObject({ code: 'EVENT_INVALID' });
  await vi.waitFor(() => expect(notified).toHaveLength(1), PATIENTLY);
});

test('an event is told after an outage of the store', async () => {
  await writeMigration(store, decision(1).data as Data<'placement.decided.v1'>);
  const { get } = store;
  let outages = 0;
  store = {
    ...store,
    get: (key) => (outages++ < 2 ? Promise.reject(new TagalongError('STORE_UNREACHABLE', 'no answer')) : get(key)),
  };
  await listen({ name: 'ams', url });
  await bus.publish([event('accepted')]);
  await vi.waitFor(() => expect(notified).toHaveLength(1), PATIENTLY);
});
