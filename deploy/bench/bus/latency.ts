/** Measures the time from the publishing of a position to the delivery of the decision that follows from it. */

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { createPlacement } from '#services/placement/service.ts';
import { realClock } from '#shared/clock/real.ts';
import { until } from '#shared/clock/retry.ts';
import type { Config } from '#shared/config/schema.ts';
import { serverUrl } from '#shared/config/server.ts';
import type { Event } from '#shared/events/index.ts';
import { KM_PER_DEGREE } from '#shared/geo/distance.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import { STEP_MS } from '../ways.ts';
import { bareOf } from './drain.ts';
import { configOn, makeWorld, population, positionOf, positions, type World } from './world.ts';

/** Positions a second; each user has one every ten seconds. */
export const STEADY_PER_S = 2_000;
/** One in this number of positions is at another site, and causes the decision of a move. */
export const ONE_MOVES_IN = 50;
const TICK_MS = 10;
/** Time in which the runtime compiles the code. */
const WARM_MS = 1_000;
const PATIENCE_MS = 30_000;

/**
 * @param server the URL of bus and store; the placement is in this process
 * @param steadyMs duration of publishing
 * @returns milliseconds of each decision, in ascending order
 */
export async function decisionLatencies(server: string, steadyMs: number, seed: number): Promise<number[]> {
  const prefix = `bench-${randomUUID()}`;
  const config = atOnce(configOn(server, prefix, 16));
  const bare = await bareOf(serverUrl(server)!, prefix, 16);
  const log = createLog('error');
  const [bus, store] = [await openBus(config, log), await openStore(config, log)];
  const placement = createPlacement({ bus, store, clock: realClock(), config, log });
  const users = (STEADY_PER_S * STEP_MS) / 1_000;
  const world = makeWorld(Math.min(users, (STEADY_PER_S * steadyMs) / 1_000), 1, seed, Date.now());
  try {
    await placement.start();
    await bus.publish([...population(world), ...positions(world, 0)]);
    const counted = () => [...placement.counts.values()].reduce((sum, n) => sum + n, 0);
    await until(() => counted() >= world.size.users, { everyMs: TICK_MS });
    const sentMs = new Map<string, number>();
    const latencies: number[] = [];
    await bus.subscribe({ group: 'decisions', types: ['placement.decided.v1'] }, async (batch) => {
      const nowMs = performance.now();
      for (const { event } of batch) {
        const at = sentMs.get(keyOf(event));
        if (at !== undefined) latencies.push(nowMs - at);
        sentMs.delete(keyOf(event));
      }
    });
    await publishSteadily(steadyMs, world, async (events, moving) => {
      for (const event of moving) sentMs.set(keyOf(event), performance.now());
      await bus.publish(events);
    });
    await until(() => sentMs.size === 0, { everyMs: TICK_MS, withinMs: PATIENCE_MS });
    if (sentMs.size > 0) throw new Error(`${sentMs.size} decisions did not come`);
    return latencies.sort((a, b) => a - b);
  } finally {
    await placement.stop();
    await bus.close();
    await store.close();
    await bare.remove();
  }
}

/** A decision carries the time of the position that it follows from. */
function keyOf({ partitionkey, data }: Event): string {
  return `${partitionkey} ${data.atMs}`;
}

/** A policy that orders a move as soon as another site is better, at any speed of the user, without a limit on moves. */
function atOnce(config: Config): Config {
  const { ingest, policy, limits } = config;
  return {
    ...config,
    ingest: { ...ingest, plausibility: { ...ingest.plausibility, maxSpeedMps: 1e9 } },
    policy: { ...policy, name: 'nearest' },
    limits: { ...limits, movesPerSite: 10_000, movesPerPath: 10_000 },
  };
}

/** @param publish receives the events of a tick, and, after the first second, those of them that cause the decision of a move */
async function publishSteadily(
  steadyMs: number,
  { size, ways }: World,
  publish: (events: readonly Event[], moving: readonly Event[]) => Promise<void>,
): Promise<void> {
  const count = (STEADY_PER_S * steadyMs) / 1_000;
  const beginMs = performance.now();
  const published: Promise<void>[] = [];
  for (let next = 0; next < count; ) {
    const due = Math.min(count, Math.floor(((performance.now() - beginMs) * STEADY_PER_S) / 1_000));
    const moving: Event[] = [];
    const events = Array.from({ length: due - next }, (_, n) => {
      const i = (next + n) % size.users;
      const moves = i % ONE_MOVES_IN === 0;
      const at = (size.users + i) * 2;
      const event = positionOf(i, Date.now(), ways[at]! + (moves ? aSiteAway(size, ways[at]!) : 0), ways[at + 1]!);
      if (moves && performance.now() - beginMs > Math.min(WARM_MS, steadyMs / 2)) moving.push(event);
      return event;
    });
    published.push(publish(events, moving));
    next = due;
    await pause(TICK_MS);
  }
  await Promise.all(published);
}

/** The offset in degrees of latitude to a place that is nearer to another site. It points to the middle of the grid, never beyond its edge. */
function aSiteAway({ sites, spacingKm }: World['size'], lat: number): number {
  const middle = ((Math.sqrt(sites) / 2) * spacingKm) / KM_PER_DEGREE;
  return ((lat < middle ? 1.5 : -1.5) * spacingKm) / KM_PER_DEGREE;
}
