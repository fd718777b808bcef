/** A replay onto separate processes has the decisions and migration events of a simulation, on each server. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { longOr } from '../long.ts';
import { SEED } from '../property/seed.ts';
import { file, tagalong } from './cli.ts';
import { cabs, drivers, MISSING, type Subject, settingsOf } from './lockstep-world.ts';

const CABS = longOr(400, 800);

const csv = (head: string, rows: readonly (readonly (string | number)[])[]) =>
  [head, ...rows.map((row) => row.join())].join('\n');

/** The sorted lines of a file. */
const sorted = async (path: string) => (await readFile(path, 'utf8')).trim().split('\n').toSorted();

/** @param start starts the server */
export function lockstepOn(start: () => Promise<{ readonly url: string; stop(): Promise<void> }>): void {
  let server: Awaited<ReturnType<typeof start>>;
  beforeAll(async () => {
    server = await start();
  }, 90_000);
  afterAll(() => server?.stop());

  /** Runs both commands. @returns the lines of their files */
  async function runBoth(prefix: string, { sites, fixes }: Subject) {
    const sitesFile = await file(
      'sites.csv',
      csv(
        'site,lat,lon,slots',
        sites.map(({ site, lat, lon, slots }) => [site, lat, lon, slots]),
      ),
    );
    const rows = fixes.map(({ user, atMs, lat, lon }) => [user, atMs / 1000, lat, lon]);
    const trace = await file('trace.csv', csv('user,t,lat,lon', rows));
    const settings = settingsOf(server.url).replaceAll('"url"', `"prefix": "${prefix}", "url"`);
    const config = await file('config.json', settings);
    const [alone, together] = [await file('simulated', ''), await file('replayed', '')];
    const common = ['--trace', trace, '--sites', sitesFile, '--config', config];
    const simulation = await tagalong(['simulate', ...common, '--policy', 'nearest', '--decisions', alone]);
    expect(simulation.code, simulation.stderr).toBe(0);
    const processes = ['--processes', 'ingest=1,placement=2,migrator=2', '--speed', 'max', '--log', '-', '--json'];
    const replay = await tagalong(['replay', ...common, ...processes, '--decisions', together]);
    expect(replay.code, replay.stderr).toBe(0);
    const { instants, tookMs, accepted } = JSON.parse(replay.stdout);
    console.info(`${prefix}: ${accepted} locations, ${instants} instants, ${(tookMs / instants).toFixed(1)} ms each`);
    return [await sorted(alone), await sorted(together)] as const;
  }

  test(`generated drivers: replay and simulation have the same decisions and migration events`, {
    timeout: 180_000,
  }, async () => {
    const [simulated, replayed] = await runBoth('drivers', await drivers(SEED, 24));
    expect(simulated.filter((line) => line.includes('placement.decided')).length).toBeGreaterThan(20);
    expect(replayed).toEqual(simulated);
  });

  const skipped = MISSING.length === 0 ? '' : ` [skipped: no ${MISSING}]`;
  test.skipIf(MISSING.length > 0)(
    `the first ${CABS} positions of 25 cabs: replay and simulation have the same decisions and migration events${skipped}`,
    { timeout: 300_000 },
    async () => {
      const [simulated, replayed] = await runBoth('cabs', await cabs(CABS));
      expect(simulated.filter((line) => line.includes('placement.decided')).length).toBeGreaterThan(CABS / 16);
      expect(replayed).toEqual(simulated);
    },
  );
}
