/** Movements for the measurement of a simulation: users' positions step by step, in little memory. */
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { DEFAULT_SITE, type SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { KM_PER_DEGREE, unitVector } from '#shared/geo/distance.ts';
import { SiteIndex } from '#shared/geo/site-index.ts';
import { seededRandom } from '#shared/random/random.ts';
import { generate } from '#simulations/generators/generate.ts';
import { makeWays, type Size, STEP_MS, sitePlaces } from '../ways.ts';

/** Every user has a position at every step. */
export interface Movement {
  readonly users: readonly string[];
  readonly sites: readonly SiteSpec[];
  readonly steps: number;
  readonly stepMs: number;
  /** Latitude and longitude of user `u` at step `s` at `2 * (s * users.length + u)`. */
  readonly degrees: Float64Array;
  /** Share of the steps at which a user's nearest site changes, if the source of the recording states it. */
  readonly statedChanges?: number;
}

export type Source =
  /** The files of the job that other simulators were measured with, without `.csv.gz`. */
  | { readonly kind: 'recorded'; readonly path: string }
  /** The same kind of movement, generated here: 100 sites 1 km apart, a step a second. */
  | { readonly kind: 'made'; readonly users: number; readonly steps: number; readonly seed: number }
  /** Any size, a step every ten seconds. */
  | ({ readonly kind: 'walked'; readonly seed: number } & Size);

const START_MS = Date.UTC(2026, 0, 1);
/** The step of recorded and generated movements. */
const SPACING_KM = 1;
const METRES_PER_DEGREE = KM_PER_DEGREE * 1000;
const MADE_SITES = 100;
/** Fixes in one batch. */
const BATCH = 1000;

/** @throws Error if recorded files cannot be read */
export async function movementOf(source: Source): Promise<Movement> {
  switch (source.kind) {
    case 'recorded':
      return recorded(source.path);
    case 'made':
      return made(source.users, source.steps, source.seed);
    case 'walked':
      return walked(source, source.seed);
  }
}

/** All users' positions by time, several steps in a batch. Each batch is generated on demand, so that memory does not grow with the length. */
export function* batchesOf({ users, steps, stepMs, degrees }: Movement): Generator<readonly Fix[]> {
  const stepsAtOnce = Math.max(1, Math.floor(BATCH / users.length));
  for (let step = 0; step < steps; step += stepsAtOnce) {
    const until = Math.min(steps, step + stepsAtOnce);
    for (let from = step * users.length; from < until * users.length; from += BATCH) {
      const fixes: Fix[] = [];
      for (let i = from; i < Math.min(from + BATCH, until * users.length); i++) {
        const atMs = START_MS + Math.floor(i / users.length) * stepMs;
        fixes.push({ user: users[i % users.length]!, atMs, lat: degrees[2 * i]!, lon: degrees[2 * i + 1]! });
      }
      yield fixes;
    }
  }
}

/** The site nearest to each user at each step, as an index: at `s * users.length + u`. */
export function nearestSites({ users, sites, steps, degrees }: Movement): Int32Array {
  const index = new SiteIndex(sites);
  const nearest = new Int32Array(users.length * steps);
  const [probe, found, km] = [new Float64Array(3), new Int32Array(1), new Float64Array(1)];
  for (let i = 0; i < nearest.length; i++) {
    const position = { lat: degrees[2 * i]!, lon: degrees[2 * i + 1]! };
    unitVector(position, probe);
    const before = i < users.length ? -1 : nearest[i - users.length]!;
    index.nearestFrom(before, probe, position, 1, found, km);
    nearest[i] = found[0]!;
  }
  return nearest;
}

async function recorded(path: string): Promise<Movement> {
  const unpacked = async (end: string) => gunzipSync(await readFile(path + end)).toString();
  const scenario = JSON.parse(await unpacked('.json.gz'));
  const { users, sites_n, steps, step_s, handovers_nearest_site: statedChanges } = scenario as Record<string, number>;
  const degrees = new Float64Array(2 * users! * steps!);
  const rows = (await unpacked('.csv.gz')).matchAll(/^\d+,\d+,([\d.]+),([\d.]+),/gm);
  let i = 0;
  for (const [, x, y] of rows) degrees.set([Number(y) / METRES_PER_DEGREE, Number(x) / METRES_PER_DEGREE], 2 * i++);
  const sites = gridSites(sites_n!, SPACING_KM);
  return { users: names(users!), sites, steps: steps!, stepMs: step_s! * 1000, degrees, statedChanges: statedChanges! };
}

async function made(users: number, steps: number, seed: number): Promise<Movement> {
  const sites = gridSites(MADE_SITES, SPACING_KM);
  const { trace } = generate(`random-waypoint,users=${users},steps=${steps}`, seed, sites);
  const degrees = new Float64Array(2 * users * steps);
  let i = 0;
  for await (const batch of trace.batches()) for (const { lat, lon } of batch) degrees.set([lat, lon], 2 * i++);
  return { users: names(users), sites, steps, stepMs: 1000, degrees };
}

function walked(size: Size, seed: number): Movement {
  const degrees = makeWays({ ...size, steps: size.steps - 1 }, seededRandom(seed));
  const sites = gridSites(size.sites, size.spacingKm);
  return { users: names(size.users), sites, steps: size.steps, stepMs: STEP_MS, degrees };
}

function gridSites(sites: number, spacingKm: number): SiteSpec[] {
  return sitePlaces({ sites, spacingKm }).map((place, i) => ({
    site: `site-${i + 1}`,
    ...place,
    slots: DEFAULT_SITE.slots,
    uplinks: DEFAULT_SITE.uplinks.map((uplink) => ({ ...uplink })),
  }));
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `user-${i + 1}`);
}
