/** Measures how fast placements handle a backlog of events on the bus. */

import { randomUUID } from 'node:crypto';
import { until } from '#shared/clock/retry.ts';
import type { Config } from '#shared/config/schema.ts';
import { type ServerUrl, serverUrl } from '#shared/config/server.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import type { KeptVm } from '#shared/policy/state/kept-vm.ts';
import type { Bare } from './bare.ts';
import { Placements, ratesOf } from './placements.ts';
import { configOn, population, positionAtMs, positions, type World } from './world.ts';

/** Events a call of `publish`. */
const CHUNK = 5_000;

/** Result of the measurement. */
export interface Drained {
  readonly perS: number;
  readonly cpuUsPerEvent: number;
  /** Location events that ended in the quiet radius, and those that were too old to act on. */
  readonly quiet: number;
  readonly stale: number;
  /** The largest memory of any of the processes. */
  readonly peakBytes: number;
  /** Share of the VMs whose stored position is the last position of their user. */
  readonly newest: number;
  /** Events a second of a bare consumer; present only if its measurement was requested. */
  readonly barePerS: number;
}

/** Publishes the events of a world while its placements are stopped, then measures how the placements catch up. */
export async function drain(
  server: string,
  world: World,
  how: { readonly processes: number; readonly partitions: number; readonly bare?: boolean },
): Promise<Drained> {
  const prefix = `bench-${randomUUID()}`;
  const config = configOn(server, prefix, how.partitions);
  const bare = await bareOf(serverUrl(server)!, prefix, how.partitions);
  const { steps, users } = world.size;
  try {
    await populate(config, world);
    await bare.begin();
    await publishSteps(config, world);
    const placements = new Placements(config, how.processes);
    await placements.handled(steps * users).finally(() => placements.stop());
    // A placement that started too late to get any event has no sample.
    const last = placements.samples.flatMap((samples) => samples.slice(-1));
    const share = (of: (sample: (typeof last)[number]) => number) =>
      last.reduce((sum, sample) => sum + of(sample), 0) / (steps * users);
    return {
      ...ratesOf(placements),
      quiet: share(({ quiet }) => quiet),
      stale: share(({ stale }) => stale),
      peakBytes: Math.max(...last.map(({ peakBytes }) => peakBytes)),
      newest: await newestShare(config, world),
      barePerS: how.bare ? await bare.consume(steps * users) : Number.NaN,
    };
  } finally {
    await bare.remove();
  }
}

/** Resolves when the placements' group has an offset on the bus and knows all sites and VMs. */
async function populate(config: Config, world: World): Promise<void> {
  const placements = new Placements(config, 1);
  const bus = await openBus(config, createLog('silent'));
  try {
    // The bus retains no events for a group that has never subscribed.
    await until(() => bus.lag().some(({ group }) => group === 'placement'), { everyMs: 50 });
    await publish(bus, population(world));
    await publish(bus, positions(world, 0));
    await placements.handled(world.size.users);
  } finally {
    await bus.close();
    await placements.stop();
  }
}

async function publishSteps(config: Config, world: World): Promise<void> {
  const bus = await openBus(config, createLog('silent'));
  try {
    for (let step = 1; step <= world.size.steps; step++) await publish(bus, positions(world, step));
  } finally {
    await bus.close();
  }
}

async function publish(bus: Awaited<ReturnType<typeof openBus>>, events: Parameters<typeof bus.publish>[0]) {
  for (let at = 0; at < events.length; at += CHUNK) await bus.publish(events.slice(at, at + CHUNK));
}

async function newestShare(config: Config, world: World): Promise<number> {
  const store = await openStore(config, createLog('silent'));
  try {
    const records = await store.list<{ value: KeptVm }>('placement/vm/');
    const at = new Map(records.map(({ value: { value } }) => [value.id, value.sessions[0]?.track.atMs]));
    const { users, steps } = world.size;
    const newest = Array.from({ length: users }, (_, i) => i).filter(
      (i) => at.get(`vm-${i}`) === positionAtMs(world, steps, i),
    );
    return newest.length / users;
  } finally {
    await store.close();
  }
}

/** The bare client of a server. */
export async function bareOf({ kind, hosts }: ServerUrl, prefix: string, partitions: number): Promise<Bare> {
  if (kind === 'nats') return (await import('./nats-bare.ts')).bareNats(hosts.join(), prefix, partitions);
  return (await import('./kafka-bare.ts')).bareKafka(hosts, prefix);
}
