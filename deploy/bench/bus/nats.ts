/**
 * Measures the bus on NATS: events a second through `natsBus`, against the same messages through the bare client on the same
 * server, with the same durability, payload and partitions; and the delay of events at a steady rate.
 */

import { setTimeout as pause } from 'node:timers/promises';
import { type ConsumerMessages, connect, type NatsConnection, nuid } from 'nats';
import { natsBus } from '#shared/bus/nats/bus.ts';
import { namesOf } from '#shared/bus/nats/names.ts';
import { until } from '#shared/clock/retry.ts';
import { type Event, encode, envelop } from '#shared/events/index.ts';
import { ensureStream, eventStream } from '#shared/nats/streams.ts';
import { nearestRank } from '#simulations/statistics.ts';
import { atLeast, type BenchRow, median } from '../bench.ts';
import { consumeBare, removeStreams } from './nats-bare.ts';

const PARTITIONS = 16;
const VMS = 5_000;
/** Events of one call of `publish`, and acknowledgements that are outstanding at a time. */
const CHUNK = 1_000;
const REPEATS = 3;
const WANTED_RATIO = 0.7;
const STEADY_PER_S = 2_000;
const TICK_MS = 10;

/** Settings of the measurement. */
export interface NatsBenchOptions {
  readonly servers: string;
  readonly storage?: 'file' | 'memory';
  /** Events of each measurement. */
  readonly events?: number;
  /** Duration of the latency measurement. */
  readonly steadyMs?: number;
}

interface Rates {
  readonly publishPerS: number;
  readonly consumePerS: number;
}

/** Measures, then removes everything that it created on the server. */
export async function benchNatsBus(options: NatsBenchOptions): Promise<BenchRow[]> {
  const { servers, storage = 'file', events = 100_000, steadyMs = 10_000 } = options;
  // Without a stack trace for each request, the client reaches its highest speed.
  const nc = await connect({ servers, noAsyncTraces: true });
  const load = locations(events);
  const ours: Rates[] = [];
  const bare: Rates[] = [];
  try {
    // One round of each warms up the compiler; then they run in turns, so that disturbances of the machine affect both.
    for (let round = 0; round <= REPEATS; round++) {
      const [b, o] = [await bareRates(nc, load, storage), await busRates(nc, servers, load, storage)];
      if (round > 0) [bare.push(b), ours.push(o)];
    }
    const latencies = (await steadyLatencies(nc, servers, storage, steadyMs)).sort((a, b) => a - b);
    const middle = (rates: readonly Rates[], of: keyof Rates) => median(rates.map((rate) => rate[of]));
    const bytes = median(load.slice(0, 100).map((event) => encode(event).length));
    return [
      { metric: 'payload', value: bytes, unit: 'B' },
      { metric: 'publish, bus', value: middle(ours, 'publishPerS'), unit: 'events/s' },
      { metric: 'publish, bare client', value: middle(bare, 'publishPerS'), unit: 'events/s' },
      atLeast('  ratio', middle(ours, 'publishPerS') / middle(bare, 'publishPerS'), 'x', WANTED_RATIO),
      { metric: 'consume, bus', value: middle(ours, 'consumePerS'), unit: 'events/s' },
      { metric: 'consume, bare client', value: middle(bare, 'consumePerS'), unit: 'events/s' },
      atLeast('  ratio', middle(ours, 'consumePerS') / middle(bare, 'consumePerS'), 'x', WANTED_RATIO),
      { metric: `publish to handler at ${STEADY_PER_S}/s, p50`, value: nearestRank(latencies, 0.5), unit: 'ms' },
      { metric: `publish to handler at ${STEADY_PER_S}/s, p99`, value: nearestRank(latencies, 0.99), unit: 'ms' },
    ];
  } finally {
    await nc.close();
  }
}

function locations(count: number): Event[] {
  return Array.from({ length: count }, (_, n) => {
    const vm = `vm-${n % VMS}`;
    const rtts = [
      { site: 'boston', rttMs: 14.2 },
      { site: 'new-york', rttMs: 9.7 },
    ];
    const data = { vm, user: `user-${n % VMS}`, atMs: n, lat: 42.361145, lon: -71.057083, rtts };
    return envelop({ type: 'location.reported.v1', data }, `loc:${vm}:${n}`, '/tagalong/ingest');
  });
}

/** Through the bus: everything is published first, then a group that subscribed before consumes it all. */
async function busRates(
  nc: NatsConnection,
  servers: string,
  load: readonly Event[],
  storage: 'file' | 'memory',
): Promise<Rates> {
  const prefix = `bench${nuid.next()}`;
  const bus = await natsBus({ servers, prefix, partitions: PARTITIONS, storage });
  const subscribe = async (taken: (count: number) => void) =>
    bus.subscribe({ group: 'bench', types: ['location.reported.v1'] }, async (batch) => taken(batch.length));
  try {
    await (await subscribe(() => {})).stop();
    const publishS = await seconds(async () => {
      for (let at = 0; at < load.length; at += CHUNK) await bus.publish(load.slice(at, at + CHUNK));
    });
    const consumeS = await seconds(() => countTo(load.length, async (taken) => void (await subscribe(taken))));
    return { publishPerS: load.length / publishS, consumePerS: load.length / consumeS };
  } finally {
    await bus.close();
    await removeStreams(nc, prefix);
  }
}

/** Through the client alone: one durable pull consumer a partition decodes and acknowledges each message. */
async function bareRates(nc: NatsConnection, load: readonly Event[], storage: 'file' | 'memory'): Promise<Rates> {
  const prefix = `bench${nuid.next()}`;
  const names = namesOf(prefix, PARTITIONS);
  const limits = { maxAgeMs: 86_400_000, maxBytes: 10_000_000_000, duplicateWindowMs: 120_000 };
  const jsm = await nc.jetstreamManager();
  const js = nc.jetstream();
  await ensureStream(jsm, eventStream({ name: names.events, subject: names.all, storage, replicas: 1, ...limits }));
  const consuming: ConsumerMessages[] = [];
  try {
    const publishS = await seconds(async () => {
      for (let at = 0; at < load.length; at += CHUNK) {
        const chunk = load.slice(at, at + CHUNK);
        await Promise.all(chunk.map((e) => js.publish(names.subject(e), encode(e), { msgID: e.id })));
      }
    });
    const consumeS = await seconds(() =>
      countTo(load.length, async (taken) => {
        const from = { names, partitions: PARTITIONS, start: 1 };
        consuming.push(...(await consumeBare(nc, from, () => taken(1))));
      }),
    );
    return { publishPerS: load.length / publishS, consumePerS: load.length / consumeS };
  } finally {
    await Promise.all(consuming.map((messages) => messages.close()));
    await removeStreams(nc, prefix);
  }
}

/** The delay of each event from `publish` to its handler, in one process. */
async function steadyLatencies(
  nc: NatsConnection,
  servers: string,
  storage: 'file' | 'memory',
  steadyMs: number,
): Promise<number[]> {
  const prefix = `bench${nuid.next()}`;
  const bus = await natsBus({ servers, prefix, partitions: PARTITIONS, storage });
  const sentMs = new Map<string, number>();
  const latencies: number[] = [];
  try {
    await bus.subscribe({ group: 'bench', types: ['location.reported.v1'] }, async (batch) => {
      const nowMs = performance.now();
      for (const { event } of batch) latencies.push(nowMs - sentMs.get(event.id)!);
    });
    const load = locations((STEADY_PER_S * steadyMs) / 1_000);
    const beginMs = performance.now();
    for (let next = 0; next < load.length; ) {
      const due = Math.min(load.length, Math.floor(((performance.now() - beginMs) * STEADY_PER_S) / 1_000));
      const events = load.slice(next, due);
      for (const { id } of events) sentMs.set(id, performance.now());
      void bus.publish(events);
      next = due;
      await pause(TICK_MS);
    }
    await until(() => latencies.length >= load.length, { everyMs: TICK_MS });
    return latencies;
  } finally {
    await bus.close();
    await removeStreams(nc, prefix);
  }
}

/** Resolves when `taken` has counted this number of events. */
async function countTo(count: number, begin: (taken: (more: number) => void) => Promise<void>): Promise<void> {
  let left = count;
  const { promise, resolve } = Promise.withResolvers<void>();
  await begin((more) => {
    left -= more;
    if (left <= 0) resolve();
  });
  await promise;
}

async function seconds(work: () => Promise<void>): Promise<number> {
  const beginMs = performance.now();
  await work();
  return (performance.now() - beginMs) / 1_000;
}
