/** Synthetic traces from standard mobility models: `--generate NAME[,key=value...]`. */
import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import type { Trace } from '#services/replay/traces/trace.ts';
import { TagalongError } from '#shared/errors.ts';
import { seededRandom } from '#shared/random/random.ts';
import { type Area, areaOf, gridSites, type Place } from './area.ts';
import { commuters } from './commuters.ts';
import { ferry } from './ferry.ts';
import { flashCrowd } from './flash-crowd.ts';
import type { EventGenerator, Generator, Parameters, PresenceEvent } from './generator.ts';
import { geofences } from './geofences.ts';
import { randomWaypoint } from './random-waypoint.ts';

const GENERATORS: Record<string, Generator | EventGenerator> = {
  'random-waypoint': randomWaypoint,
  commuters,
  'flash-crowd': flashCrowd,
  ferry,
  geofences,
};
/** The parameters of the grid of sites. The caller can pass sites instead. */
const GRID = { sites: 100, spacingM: 1000 };
/** These parameters are whole numbers. */
const COUNTS = ['users', 'steps', 'sites', 'passengers', 'lines', 'trips'];
const START_MS = Date.UTC(2026, 0, 1);
/** A batch has so many positions at most: one batch for a step of a million users would be larger than all other data. */
const MOST_AT_ONCE = 4096;

/** The names that `--generate` takes. */
export const GENERATOR_NAMES = Object.keys(GENERATORS);

/** Synthetic users, and the sites in their area. */
export interface Generated {
  readonly trace: Trace;
  readonly sites: readonly SiteSpec[];
}

/**
 * Generates a trace.
 * @param text `NAME`, or `NAME,key=value,…`
 * @param seed the same seed gives the same trace, byte by byte
 * @param sites span the area; without them the generator makes a grid of sites
 * @throws TagalongError USAGE
 */
export function generate(text: string, seed: number, sites?: readonly SiteSpec[]): Generated {
  const [name = '', ...settings] = text.split(',').map((part) => part.trim());
  const generator = Object.hasOwn(GENERATORS, name) ? GENERATORS[name] : undefined;
  if (generator === undefined) {
    throw new TagalongError(
      'USAGE',
      `--generate: there is no generator "${name}"; choose one of ${GENERATOR_NAMES.join(', ')}`,
    );
  }
  const parameters = parsed(settings, { ...generator.defaults, ...(sites ? {} : GRID) });
  const among = sites ?? gridSites(parameters.sites!, parameters.spacingM!);
  const named = Object.entries(parameters).map(([key, value]) => `,${key}=${value}`);
  const sampling = { everyMs: null };
  const report = { format: `generated ${name}${named.join('')}`, rows: 0, bad: 0, sampling };
  return {
    sites: among,
    trace: {
      report,
      async *batches() {
        report.rows = 0;
        for (const batch of fixesOf(generator, parameters, among, seed)) {
          report.rows += batch.length;
          yield batch;
        }
      },
    },
  };
}

/** The parameters: the defaults, overridden by `key=value` settings. @throws TagalongError USAGE */
function parsed(settings: readonly string[], defaults: Parameters): Parameters {
  const given = settings.map((setting): [string, number] => {
    const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(setting) ?? [];
    if (!Object.hasOwn(defaults, key)) {
      const right = Object.keys(defaults).join(', ');
      throw new TagalongError(
        'USAGE',
        `--generate: "${setting}" is not one of its settings; write key=value with one of ${right}`,
      );
    }
    const whole = COUNTS.includes(key);
    if (!(Number(value) > 0) || !Number.isFinite(Number(value)) || (whole && !Number.isInteger(Number(value)))) {
      const right = whole ? 'a whole number above 0' : 'a number above 0';
      throw new TagalongError('USAGE', `--generate: ${key}: is "${value}"; give ${right}`);
    }
    return [key, Number(value)];
  });
  return { ...defaults, ...Object.fromEntries(given) };
}

/** Batches of positions in order of time: some for each step, or one with all events. The random draws go user by user. */
function* fixesOf(
  generator: Generator | EventGenerator,
  parameters: Parameters,
  sites: readonly SiteSpec[],
  seed: number,
): Iterable<Fix[]> {
  const random = seededRandom(seed);
  const area = areaOf(sites);
  const { users, steps, stepS } = parameters;
  const width = String(users!).length;
  const names = Array.from({ length: users! }, (_, user) => `user-${String(user + 1).padStart(width, '0')}`);
  if ('events' in generator) {
    yield names.flatMap((user, i) => eventsOf(user, generator.events(parameters, area, random, i), area)).sort(byTime);
    return;
  }
  // For each user, x and y by step. That takes 16 bytes a position; an object takes 72.
  const walks = names.map((_, user) => packed(generator.walk(parameters, area, random, user)));
  for (let step = 0; step < steps!; step++) {
    const atMs = START_MS + Math.round(step * stepS! * 1000);
    const place = (walk: Float64Array) => ({ x: walk[2 * step]!, y: walk[2 * step + 1]! });
    for (let from = 0; from < walks.length; from += MOST_AT_ONCE) {
      const some = walks.slice(from, from + MOST_AT_ONCE);
      yield some.map((walk, i) => ({ user: names[from + i]!, atMs, ...area.degrees(place(walk)) }));
    }
  }
}

function packed(walk: readonly Place[]): Float64Array {
  const numbers = new Float64Array(2 * walk.length);
  walk.forEach(({ x, y }, i) => {
    numbers[2 * i] = x;
    numbers[2 * i + 1] = y;
  });
  return numbers;
}

const byTime = (a: Fix, b: Fix) => a.atMs - b.atMs;

/** The events of one user as positions, no two at the same instant. */
function eventsOf(user: string, events: readonly PresenceEvent[], area: Area): Fix[] {
  let lastMs = 0;
  return events.map(({ atS, place, presence }) => {
    lastMs = Math.max(lastMs + 1, START_MS + Math.round(atS * 1000));
    return { user, atMs: lastMs, ...area.degrees(place), presence };
  });
}
