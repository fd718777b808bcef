/** The readers read recorded traces, which are not part of the repository. The expected counts come with the data. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readSites } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { openTrace, type TraceOptions } from '#services/replay/traces/trace.ts';
import { readAll, temporaryFolder } from '../folder.ts';

const data = '../shared/data';
const sf = 'sf-cabspotting';
const lust = 'luxembourg-lust';
const bologna = 'bologna-sumo';
const liverpool = 'liverpool-bus14/route14_outbound.csv';
const folder = temporaryFolder();

/** A test that is skipped without its data, and then names the missing path. */
function testWith(needs: string, name: string, run: (path: string) => Promise<void>) {
  const path = `${data}/${needs}`;
  const there = existsSync(path);
  test.skipIf(!there)(there ? name : `${name} [skipped: ${path} is missing]`, () => run(path));
}

/** Reads a long trace without keeping it in memory. */
async function countedIn(path: string, options?: TraceOptions) {
  const trace = await openTrace(path, { strict: true, ...options });
  const users = new Set<string>();
  let fixes = 0;
  let firstMs = Number.POSITIVE_INFINITY;
  let lastMs = Number.NEGATIVE_INFINITY;
  for await (const batch of trace.batches()) {
    fixes += batch.length;
    for (const { user, atMs } of batch) {
      users.add(user);
      firstMs = Math.min(firstMs, atMs);
      lastMs = Math.max(lastMs, atMs);
    }
  }
  const { format, rows, bad } = trace.report;
  return { format, rows, bad, fixes, users: users.size, firstMs, lastMs };
}

describe('San Francisco taxis', () => {
  testWith(`${sf}/cabs-demo-25.csv`, 'the evening of 25 cabs has 6,920 fixes', async (path) => {
    const { fixes, report } = await readAll(path, { strict: true });
    expect(report).toMatchObject({ format: 'csv', rows: 6_920, bad: 0 });
    expect(new Set(fixes.map((fix) => fix.user)).size).toBe(25);
    expect([fixes[0]!.atMs, fixes.at(-1)!.atMs]).toEqual([1_211_418_001_000, 1_211_432_399_000]);
  });

  testWith(`${sf}/cabs-2008-05-21.csv.gz`, 'a weekday of 499 cabs has 456,453 fixes', async (path) => {
    const counted = { format: 'csv', rows: 456_453, bad: 0, fixes: 456_453, users: 499 };
    expect(await countedIn(path)).toMatchObject(counted);
  });

  testWith(`${sf}/raw-format-sample-3cabs.tar.xz`, 'the raw files of three cabs are merged by time', async (path) => {
    execFileSync('tar', ['-xJf', path, '-C', folder.path]);
    const { fixes, report } = await readAll(folder.path, { strict: true });
    expect(report).toMatchObject({ format: 'cabspotting', rows: 26_094, bad: 0 });
    expect(new Set(fixes.map((fix) => fix.user))).toEqual(new Set(['abboip', 'egoiwroi', 'enyenewl']));
    expect(fixes.every((fix, i) => i === 0 || fixes[i - 1]!.atMs <= fix.atMs)).toBe(true);
  });

  testWith(`${sf}/sites-demo-24.csv`, 'the list of 24 base stations is read', async (path) => {
    expect(await readSites(path)).toHaveLength(24);
  });
});

describe('Luxembourg', () => {
  testWith(`${lust}/lust-500cars-1hz.csv.gz`, '500 cars have 705,791 fixes in simulation seconds', async (path) => {
    const counted = { format: 'csv', rows: 705_791, bad: 0, fixes: 705_791, users: 500, firstMs: 2_100 };
    expect(await countedIn(path)).toMatchObject({ ...counted, lastMs: 25_944_100 });
  });

  testWith(`${lust}/sites-tango-lte-38.csv`, 'the 38 base stations are read', async (path) => {
    expect(await readSites(path)).toHaveLength(38);
  });
});

describe('Bologna', () => {
  testWith(`${bologna}/bologna-joined-fcd-5s.csv.gz`, '11,176 vehicles have 852,624 fixes', async (path) => {
    const counted = { format: 'csv', rows: 852_624, bad: 0, fixes: 852_624, users: 11_176 };
    expect(await countedIn(path)).toMatchObject({ ...counted, firstMs: 0, lastMs: 5_100_000 });
  });

  testWith(
    `${bologna}/bologna-joined-fcd-first300s.xml.gz`,
    "SUMO's XML has the same first 300 s as the CSV made from it",
    async (path) => {
      const { fixes, report } = await readAll(path, { strict: true });
      const elements = gunzipSync(readFileSync(path)).toString().split('<vehicle ').length - 1;
      expect(report).toMatchObject({ format: 'sumo-fcd', rows: elements, bad: 0 });
      const csv = await readAll(`${data}/${bologna}/bologna-joined-fcd-5s.csv.gz`);
      const first = csv.fixes.filter(({ atMs }) => atMs <= fixes.at(-1)!.atMs);
      const key = ({ user, atMs, lat, lon }: Fix) => `${user} ${atMs} ${lat.toFixed(6)} ${lon.toFixed(6)}`;
      expect(first.length).toBeGreaterThan(20_000);
      expect(fixes.map(key)).toEqual(first.map(key));
    },
  );

  testWith(`${bologna}/candidate-sites-bus-stops.csv`, '56 bus stops and 29 traffic lights are read', async (path) => {
    expect(await readSites(path)).toHaveLength(56);
    expect(await readSites(`${data}/${bologna}/candidate-sites-traffic-lights.csv`)).toHaveLength(29);
  });
});

describe('Liverpool', () => {
  const columns = { user: 'vehicle_id', t: 'timestamp', lat: 'latitude', lon: 'longitude' };
  testWith(liverpool, '8 buses on line 14 have 1,533 fixes', async (path) => {
    const counted = { format: 'csv', rows: 1_533, bad: 0, fixes: 1_533, users: 8 };
    const { firstMs, lastMs, ...rest } = await countedIn(path, { columns });
    expect(rest).toEqual(counted);
    expect([firstMs, lastMs].map((ms) => new Date(ms).toISOString().slice(0, 16))).toEqual([
      '2026-01-26T15:55',
      '2026-01-26T18:19',
    ]);
    expect((await countedIn(path, { columns: { ...columns, user: 'trip_id' } })).users).toBe(16);
  });

  testWith(liverpool, 'its 16 trips are the sessions between silences of five minutes', async (path) => {
    const sampling = { everyMs: 10_000, gapMs: 300_000 };
    const { fixes, report } = await readAll(path, { columns, sampling });
    expect(report.sampling).toEqual({ ...sampling, sessions: 16, positions: fixes.length });
    expect(fixes.length).toBeGreaterThan(2 * 1_533);
  });
});

describe('random waypoints', () => {
  // The coordinates are metres of a plane. The reader accepts any finite numbers.
  const columns = { t: 'step', lat: 'y_m', lon: 'x_m' };
  const sizes: [name: string, users: number, rows: number, changes: number][] = [
    ['u10_s10_t300_seed42', 10, 3_000, 53],
    ['u100_s10_t300_seed42', 100, 30_000, 532],
    ['u100_s100_t300_seed42', 100, 30_000, 535],
    ['u1000_s100_t300_seed42', 1000, 300_000, 5285],
  ];
  for (const [name, users, rows, changes] of sizes) {
    testWith(
      `random-waypoint/${name}.csv.gz`,
      `${name}: ${rows} rows, ${changes} nearest-site changes`,
      async (path) => {
        const { fixes, report } = await readAll(path, { strict: true, columns });
        expect(report).toMatchObject({ format: 'csv', rows, bad: 0 });
        const { sites } = JSON.parse(gunzipSync(readFileSync(path.replace('.csv', '.json'))).toString());
        const width = 1 + Math.max(...sites.map(({ x }: { x: number }) => x)) / 1000;
        const height = sites.length / width;
        const cell = (metres: number, cells: number) =>
          Math.max(0, Math.min(cells - 1, Math.floor(metres / 1000 + 0.5)));
        const nearest = new Map<string, number>();
        let changed = 0;
        for (const { user, lat, lon } of fixes) {
          const site = cell(lat, height) * width + cell(lon, width);
          if (nearest.has(user) && nearest.get(user) !== site) changed++;
          nearest.set(user, site);
        }
        expect([nearest.size, changed]).toEqual([users, changes]);
      },
    );
  }
});
