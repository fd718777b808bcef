/**
 * Measures the bus against kafkajs: the same records, in the same topic, with the same acknowledgements and commits, once through
 * the bus and once through a producer and a consumer that do nothing else; and the time of an event from publish to its handler.
 * The bare clients convert events to JSON and back, as every client must. One more consumer does not parse, and shows the speed of
 * Kafka itself.
 */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import type { Bus } from '#shared/bus/bus.ts';
import { kafkaBus } from '#shared/bus/kafka/bus.ts';
import { topicsOf } from '#shared/bus/kafka/topics.ts';
import { toRecord } from '#shared/bus/kafka/wire.ts';
import { until } from '#shared/clock/retry.ts';
import { type Event, encode, envelop } from '#shared/events/index.ts';
import { nearestRank } from '#simulations/statistics.ts';
import { atLeast, type BenchRow, median } from '../bench.ts';
import { stopwatch } from './bare.ts';
import { consumeBare, pin, removeTopics } from './kafka-bare.ts';

/** The broker, and the size of the measurement. */
export interface KafkaBenchOptions {
  readonly brokers: readonly string[];
  /** Events a repeat. @default 100,000 */
  readonly events?: number;
  /** @default 5 */
  readonly repeats?: number;
  /** Duration of publishing at the steady rate. @default 10,000 */
  readonly latencyMs?: number;
}

const PARTITIONS = 16;
const VMS = 1_000;
/** Events for each call of `publish`, and concurrent calls: a few clients that report for their users. */
const CHUNK = 500;
const CALLERS = 8;
const STEADY_RATE_HZ = 2_000;
const STEADY_TICK_MS = 10;
const GROUP = 'bench';
const types = ['location.reported.v1'] as const;

/** The rates of one repeat, in events a second. */
interface Rates {
  readonly published: number;
  readonly barePublished: number;
  readonly consumed: number;
  readonly bareConsumed: number;
  readonly unread: number;
}

/** Measures on running brokers. Creates its own topics there and deletes them. */
export async function benchKafkaBus(options: KafkaBenchOptions): Promise<BenchRow[]> {
  const { brokers, events: count = 100_000, repeats = 5, latencyMs = 10_000 } = options;
  const prefix = `bench-${randomUUID()}`;
  const kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  const bus = await kafkaBus({ brokers, prefix, partitions: PARTITIONS, replication: 1 });
  const events = Array.from({ length: count }, (_, n) => location(n));
  const rates: Rates[] = [];
  try {
    for (let repeat = 0; repeat < repeats; repeat++) {
      const group = `${GROUP}-${repeat}`;
      await (await bus.subscribe({ group, types }, async () => {})).stop();
      const { locations: topic } = topicsOf(prefix);
      // The bare consumers read from the offsets of their group.
      for (const reads of [true, false]) await pin(kafka, topic, bareGroup(group, reads));
      const published = await rateOf(count, () => publish(bus, events));
      const consumed = await consume(bus, group, count);
      const bareConsumed = await consumeBare(kafka, topic, bareGroup(group, true), count, true);
      const unread = await consumeBare(kafka, topic, bareGroup(group, false), count, false);
      const barePublished = await publishBare(kafka, topic, events);
      rates.push({ published, barePublished, consumed, bareConsumed, unread });
    }
    const delays = await delaysAtSteadyRate(bus, latencyMs);
    return [...throughputRows(rates), ...latencyRows(delays, events[0]!)];
  } finally {
    await bus.close();
    await removeTopics(kafka, prefix);
  }
}

function throughputRows(rates: readonly Rates[]): BenchRow[] {
  const of = (metric: string, read: (rate: Rates) => number, unit = 'events/s') => {
    return { metric, value: median(rates.map(read)), unit };
  };
  return [
    of('published through the bus', ({ published }) => published),
    of('published by a bare producer', ({ barePublished }) => barePublished),
    of('bus to bare producer', ({ published, barePublished }) => published / barePublished, 'x'),
    of('consumed through the bus', ({ consumed }) => consumed),
    of('consumed by a bare consumer', ({ bareConsumed }) => bareConsumed),
    of('consumed by one that does not read the events', ({ unread }) => unread),
    atLeast('bus to bare consumer', median(rates.map((rate) => rate.consumed / rate.bareConsumed)), 'x', 0.7),
    of('bus to one that does not read the events', ({ consumed, unread }) => consumed / unread, 'x'),
  ];
}

function latencyRows(delays: readonly number[], event: Event): BenchRow[] {
  const sorted = delays.toSorted((a, b) => a - b);
  const at = (share: number) => nearestRank(sorted, share);
  const rate = `at ${STEADY_RATE_HZ} events/s`;
  return [
    { metric: `publish to handler, p50 ${rate}`, value: at(0.5), unit: 'ms' },
    { metric: `publish to handler, p99 ${rate}`, value: at(0.99), unit: 'ms', aim: '<= 100', met: at(0.99) <= 100 },
    { metric: 'an event', value: Buffer.byteLength(encode(event)), unit: 'bytes' },
  ];
}

function location(n: number): Event {
  const [vm, user] = [`vm-${n % VMS}`, `user-${n % VMS}`];
  const data = {
    vm,
    user,
    atMs: 1_700_000_000_000 + n,
    lat: 42.358431,
    lon: -71.063611,
    rtts: [{ site: 'boston', rttMs: 14.25 }],
  };
  return envelop({ type: 'location.reported.v1', data }, `loc:${vm}:${user}:${n}`, '/tagalong/ingest');
}

async function rateOf(count: number, work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return (count / (performance.now() - began)) * 1_000;
}

async function publish(bus: Bus, events: readonly Event[]): Promise<void> {
  let next = 0;
  const caller = async () => {
    while (next < events.length) {
      const from = next;
      next += CHUNK;
      await bus.publish(events.slice(from, from + CHUNK));
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

/** Sends the same requests as the bus: idempotent, one in flight, each with as many events as wait for the bus's next request. */
async function publishBare(kafka: Kafka, topic: string, events: readonly Event[]): Promise<number> {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, retry: { retries: 20 } });
  await producer.connect();
  const rate = await rateOf(events.length, async () => {
    for (let from = 0; from < events.length; from += 4 * CHUNK) {
      const messages = events.slice(from, from + 4 * CHUNK).map((event) => toRecord(event, PARTITIONS));
      await producer.send({ topic, acks: -1, messages });
    }
  });
  await producer.disconnect();
  return rate;
}

/** The rate from the first batch on, so without the time to join a group. */
async function consume(bus: Bus, group: string, count: number): Promise<number> {
  const watch = stopwatch(count);
  const subscription = await bus.subscribe({ group, types }, async (batch) => watch.take(batch.length));
  const rate = await watch.rate;
  await subscription.stop();
  return rate;
}

function bareGroup(group: string, reads: boolean): string {
  return `${reads ? 'bare' : 'unread'}-${group}`;
}

/** The delay of each event in milliseconds. Leaves out the first second, in which the runtime compiles the code. */
async function delaysAtSteadyRate(bus: Bus, durationMs: number): Promise<number[]> {
  const sent = new Map<string, number>();
  const delays: number[] = [];
  const began = performance.now();
  const subscription = await bus.subscribe({ group: `${GROUP}-latency`, types }, async (batch) => {
    const now = performance.now();
    for (const { event } of batch) {
      const at = sent.get(event.id);
      if (at !== undefined && at > began + 1_000) delays.push(now - at);
      sent.delete(event.id);
    }
  });
  const perTick = (STEADY_RATE_HZ * STEADY_TICK_MS) / 1_000;
  const start = performance.now();
  const published: Promise<void>[] = [];
  for (let tick = 0; tick * STEADY_TICK_MS < durationMs; tick++) {
    await sleep(Math.max(0, start + tick * STEADY_TICK_MS - performance.now()));
    const events = Array.from({ length: perTick }, (_, i) => location(1e9 + tick * perTick + i));
    for (const event of events) sent.set(event.id, performance.now());
    published.push(bus.publish(events));
  }
  await Promise.all(published);
  await until(() => sent.size === 0, { everyMs: 20 });
  await subscription.stop();
  return delays;
}
