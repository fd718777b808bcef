/** The events that the bus benchmarks send: the region of `bench engine`. */
import { PERSONAL_VM } from '#services/replay/personal-vms.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { type Event, envelop, type Fact } from '#shared/events/index.ts';
import { seededRandom } from '#shared/random/random.ts';
import { makeWays, nearestSite, REGION_SITES, type Size, STEP_MS, siteReports } from '../ways.ts';

/** A region with users, one for each VM. */
export interface World {
  readonly size: Size;
  readonly ways: Float64Array;
  /** Time of the first positions. */
  readonly startMs: number;
}

/** @param endMs time of the last positions */
export function makeWorld(users: number, steps: number, seed: number, endMs: number): World {
  // The grid is a full square. At the edge of an incomplete one, the home of some VMs would not be the best site: they would move at once.
  const size = { ...REGION_SITES, sites: 1_024, users, steps };
  return { size, ways: makeWays(size, seededRandom(seed)), startMs: endMs - (steps + 1) * STEP_MS };
}

/** The sites, and VMs whose home is the site where their users begin. */
export function population({ size, ways, startMs: atMs }: World): Event[] {
  const sites: Fact[] = siteReports(size, atMs).map((data) => ({ type: 'site.reported.v1', data }));
  const vms = Array.from({ length: size.users }, (_, i): Fact[] => {
    const [vm, user] = [`vm-${i}`, `user-${i}`];
    const home = nearestSite(size, ways[i * 2]!, ways[i * 2 + 1]!);
    return [
      { type: 'vm.declared.v1', data: { vm, atMs, home, spec: PERSONAL_VM } },
      { type: 'session.attached.v1', data: { vm, user, atMs, weight: 1 } },
    ];
  });
  return [...sites, ...vms.flat()].map((fact, n) => envelop(fact, `population:${n}`, '/bench'));
}

/** One position of each user. Users report one after the other within the step, as real ones do; step 0 is the first. */
export function positions(world: World, step: number): Event[] {
  return Array.from({ length: world.size.users }, (_, i) => {
    const at = (step * world.size.users + i) * 2;
    return positionOf(i, positionAtMs(world, step, i), world.ways[at]!, world.ways[at + 1]!);
  });
}

/** The time of a user's position of a step. */
export function positionAtMs({ size, startMs }: World, step: number, i: number): number {
  return startMs + step * STEP_MS + Math.floor((i * STEP_MS) / size.users);
}

/** A position of the user of the VM with number `i`. */
export function positionOf(i: number, atMs: number, lat: number, lon: number): Event {
  const [vm, user] = [`vm-${i}`, `user-${i}`];
  const data = { vm, user, atMs, lat, lon };
  return envelop({ type: 'location.reported.v1', data }, `loc:${vm}:${user}:${atMs}`, '/tagalong/ingest');
}

/** @param url of the server that carries both bus and store */
export function configOn(url: string, prefix: string, partitions: number): Config {
  const { bus, store, policy } = DEFAULT_CONFIG;
  return {
    ...DEFAULT_CONFIG,
    bus: { ...bus, url, prefix, partitions },
    store: { ...store, url, prefix },
    // No site sends heartbeats in the benchmark.
    policy: { ...policy, siteSilentMs: 1e12 },
  };
}
