import { describe, expect, test } from 'vitest';
import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { distanceKm } from '#shared/geo/distance.ts';
import { run } from '#simulations/engine.ts';
import { GENERATOR_NAMES, generate } from '#simulations/generators/generate.ts';

async function fixesOf(text: string, seed = 1, sites?: readonly SiteSpec[]): Promise<Fix[]> {
  const fixes: Fix[] = [];
  for await (const batch of generate(text, seed, sites).trace.batches()) fixes.push(...batch);
  return fixes;
}

/** The positions of each user, in order. */
async function waysOf(text: string, seed = 1): Promise<Fix[][]> {
  return [...Map.groupBy(await fixesOf(text, seed), ({ user }) => user).values()];
}

const metres = (a: Fix, b: Fix) => distanceKm(a, b) * 1000;
/** The distances between the positions of a user, in metres. */
const steps = (way: readonly Fix[]) => way.slice(1).map((fix, i) => metres(way[i]!, fix));

/** Whose users report at every step. */
const STEADY = GENERATOR_NAMES.filter((name) => name !== 'geofences');

describe.each(STEADY)('%s', (name) => {
  const short = `${name},users=20,steps=300`;

  test('gives the same positions for the same seed, at each reading, and others for another seed', async () => {
    const { trace } = generate(short, 7);
    const read = async () => {
      const fixes: Fix[] = [];
      for await (const batch of trace.batches()) fixes.push(...batch);
      return fixes;
    };
    const first = await read();
    expect(await read()).toEqual(first);
    expect(trace.report).toMatchObject({ rows: 20 * 300, bad: 0, format: expect.stringContaining(`${name},users=20`) });
    expect(await fixesOf(short, 7)).toEqual(first);
    // Ferries follow their timetable with any seed.
    if (name !== 'ferry') expect(await fixesOf(short, 8)).not.toEqual(first);
  });

  test('gives each user a position at each step, in order of time, between the sites', async () => {
    const { sites } = generate(short, 1);
    const fixes = await fixesOf(short);
    expect(fixes.every((fix, i) => i === 0 || fixes[i - 1]!.atMs <= fix.atMs)).toBe(true);
    expect(new Set(fixes.map(({ user, atMs }) => `${user} ${atMs}`)).size).toBe(20 * 300);
    const [lats, lons] = [sites.map(({ lat }) => lat), sites.map(({ lon }) => lon)];
    for (const { lat, lon } of fixes) {
      expect(lat).toBeGreaterThanOrEqual(Math.min(...lats) - 2e-6);
      expect(lat).toBeLessThanOrEqual(Math.max(...lats) + 2e-6);
      expect(lon).toBeGreaterThanOrEqual(Math.min(...lons) - 2e-6);
      expect(lon).toBeLessThanOrEqual(Math.max(...lons) + 2e-6);
    }
  });

  test('moves users among given sites', async () => {
    const [west] = generate(short, 1).sites;
    const sites = [
      { ...west!, site: 'west', lat: 52, lon: 4 },
      { ...west!, site: 'east', lat: 52.2, lon: 4.3 },
    ];
    const fixes = await fixesOf(short, 1, sites);
    expect(fixes.every(({ lat, lon }) => lat >= 52 && lat <= 52.200001 && lon >= 4 && lon <= 4.300001)).toBe(true);
  });
});

describe('random waypoint', () => {
  test('changes the nearest site as often as the traces of other simulators', async () => {
    const { sites } = generate('random-waypoint', 42);
    const spacing = { lat: sites[10]!.lat - sites[0]!.lat, lon: sites[1]!.lon - sites[0]!.lon };
    const nearest = ({ lat, lon }: Fix) =>
      Math.round((lat - sites[0]!.lat) / spacing.lat) * 10 + Math.round((lon - sites[0]!.lon) / spacing.lon);
    const ways = await waysOf('random-waypoint', 42);
    const changes = ways.flatMap((way) => way.slice(1).filter((fix, i) => nearest(fix) !== nearest(way[i]!)));
    // Those traces have 0.0169 to 0.0178, with 100 sites.
    expect(changes.length / 360_000).toBeGreaterThan(0.0155);
    expect(changes.length / 360_000).toBeLessThan(0.0185);
  });

  test('keeps to the speed of the model, and further users do not change the first ones', async () => {
    const ways = await waysOf('random-waypoint,users=30,steps=600');
    expect(Math.max(...ways.flatMap(steps))).toBeLessThan(20.2);
    expect(Math.max(...ways.flatMap(steps))).toBeGreaterThan(19);
    const few = await waysOf('random-waypoint,users=10,steps=600');
    const places = (some: Fix[][]) => some.map((way) => way.map(({ lat, lon }) => [lat, lon]));
    expect(places(ways.slice(0, 10))).toEqual(places(few));
  });
});

test('commuters are at home before the peak, at work after it, and back in the evening', async () => {
  const at = (way: Fix[], hour: number) => way[hour * 60]!;
  for (const way of await waysOf('commuters,users=50')) {
    expect(metres(at(way, 0), at(way, 5))).toBe(0);
    expect(metres(at(way, 0), at(way, 23))).toBeLessThan(1);
    expect(metres(at(way, 12), at(way, 14))).toBe(0);
  }
  const away = (await waysOf('commuters,users=50')).filter((way) => metres(at(way, 0), at(way, 13)) > 100);
  expect(away.length).toBeGreaterThan(45);
});

test('a flash crowd gathers, mostly within its radius, and leaves', async () => {
  const ways = await waysOf('flash-crowd');
  const { sites } = generate('flash-crowd', 1);
  const [corner, opposite] = [sites[0]!, sites.at(-1)!];
  const middle = { lat: (corner.lat + opposite.lat) / 2, lon: (corner.lon + opposite.lon) / 2 };
  const there = (step: number) => ways.filter((way) => distanceKm(way[step]!, middle) < 0.25).length / ways.length;
  expect(there(0)).toBeLessThan(0.05);
  expect(there(445)).toBeGreaterThan(0.55);
  expect(there(719)).toBeLessThan(0.1);
});

test('passengers of a ferry move together between its ends, and stop there', async () => {
  const ways = await waysOf('ferry');
  const boats = new Set(ways.map((way) => JSON.stringify(way.map(({ lat, lon }) => [lat, lon]))));
  expect(boats.size).toBe(6);
  const { sites } = generate('ferry', 1);
  for (const way of ways) {
    const lons = way.map(({ lon }) => lon);
    expect(Math.min(...lons)).toBe(sites[0]!.lon);
    expect(Math.max(...lons)).toBe(sites.at(-1)!.lon);
    expect(new Set(way.map(({ lat }) => lat)).size).toBe(1);
    // A run of 9 km at 10 m/s takes 900 s, and a stop takes 300 s.
    const still = steps(way).filter((metres) => metres === 0).length / (way.length - 1);
    expect(still).toBeCloseTo(0.25, 1);
  }
});

describe('generate refuses', () => {
  test.each([
    ['nothing', /"nothing"; .*random-waypoint, commuters, flash-crowd, ferry/],
    ['constructor', /"constructor"/],
    ['ferry,boats=3', /"boats=3".*key=value.*users, /],
    ['ferry,users', /"users".*key=value/],
    ['ferry,users=0', /users: .*a whole number above 0/],
    ['ferry,users=1.5', /users: .*a whole number above 0/],
    ['ferry,stopS=long', /stopS: .*a number above 0/],
    ['ferry,sites=7', /\b7 sites/],
  ])('%s', (text, message) => {
    expect(() => generate(text, 1)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) }),
    );
  });

  test('a grid together with given sites', () => {
    const { sites } = generate('ferry', 1);
    expect(() => generate('ferry,spacingM=500', 1, sites)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  test('sites at one place', async () => {
    const [site] = generate('ferry', 1).sites;
    await expect(fixesOf('ferry', 1, [site!])).rejects.toMatchObject({ code: 'USAGE' });
  });
});

describe('geofences', () => {
  test('users report events only, and each of them alternates between arriving and leaving', async () => {
    const fixes = await fixesOf('geofences,users=20');
    expect(fixes.every((fix, i) => i === 0 || fixes[i - 1]!.atMs <= fix.atMs)).toBe(true);
    expect(await fixesOf('geofences,users=20')).toEqual(fixes);
    for (const way of Map.groupBy(fixes, ({ user }) => user).values()) {
      expect(way.length).toBeGreaterThan(8);
      expect(way.every(({ presence }, i) => presence === (i % 2 === 0 ? 'arrived' : 'left'))).toBe(true);
      expect(way.every(({ atMs }, i) => i === 0 || way[i - 1]!.atMs < atMs)).toBe(true);
    }
  });

  test('tagalong costs at most as much as nearest with arrivals and departures', async () => {
    const costOf = async (name: string) => {
      const { sites, trace } = generate('geofences,users=100', 1);
      const config = { ...DEFAULT_CONFIG, policy: { ...DEFAULT_CONFIG.policy, name } };
      return (await run({ config, sites, batches: trace.batches() })).cost.totalUserMs;
    };
    expect((await costOf('tagalong')) / (await costOf('nearest'))).toBeLessThanOrEqual(1);
  });
});
