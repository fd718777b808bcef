import { readFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import type { Summary } from '#deploy/cli/output/summary.ts';
import type { PlacementStatus } from '#services/placement/status.ts';
import { PATIENTLY } from '../patience.ts';
import { begin, file, tagalong } from './cli.ts';

const SITES = 'site,lat,lon,slots\nwest,52,4,10\neast,52,7,10\n';

/** The rows of users who start in the west, travel east in two hours, and stay two hours; in order of time. */
function journey(...users: string[]): string[] {
  return Array.from({ length: 300 }, (_, minute) => {
    const share = Math.min(1, Math.max(0, (minute - 60) / 120));
    return users.map((user) => `${user},${1_700_000_000 + minute * 60},52,${(4 + 3 * share).toFixed(5)}`);
  }).flat();
}

const HEADER = 'user,t,lat,lon';
const TRACE = [HEADER, ...journey('ann')].join('\n');

test('a replay gives VMs to the users of its trace, and the VMs follow them', async () => {
  const [trace, sites] = [await file('trace.csv', TRACE), await file('sites.csv', SITES)];
  const args = ['replay', '--trace', trace, '--sites', sites, '--speed', 'max', '--once', '--port', '0', '--json'];
  const { code, stdout, stderr } = await tagalong(args);
  expect(code, stderr).toBe(0);
  const summary = JSON.parse(stdout) as Summary;
  expect(summary).toMatchObject({
    fromMs: 1_700_000_000_000,
    moves: { ordered: 1, completed: 1, failed: 0, cancelled: 0, underWay: 0 },
    locations: { given: 300, unattached: 0, repeats: 0, implausible: {} },
    trace: { format: 'csv', rows: 300, bad: 0 },
  });
  expect(summary.sites).toEqual([
    { site: 'east', vmsAtFirst: 0, arrived: 1, left: 0, vmsAtEnd: 1 },
    { site: 'west', vmsAtFirst: 1, arrived: 0, left: 1, vmsAtEnd: 0 },
  ]);
  expect(stderr).toMatch(/^\S+ +vm-ann +west → east +\d+\.\d s .*GB$/m);
});

test('a replay moves the VMs of a configuration, and reads a trace in the given format', async () => {
  const config = await file(
    'tagalong.yaml',
    `
http: { port: 0 }
sites:
  - { site: west, lat: 52, lon: 4, slots: 4, uplinks: [{ provider: a, rateBps: 125000000 }] }
  - { site: east, lat: 52, lon: 7, slots: 4, uplinks: [{ provider: a, rateBps: 125000000 }] }
vms:
  - vm: desk
    home: west
    spec: { ramBytes: 1000000000, dirtyRateBps: 1000000, workingSetBytes: 50000000 }
    sessions: [{ user: ann }]
`,
  );
  const trace = await file('trace.txt', [HEADER, ...journey('ann', 'stranger')].join('\n'));
  const args = ['replay', '--trace', trace, '--format', 'csv', '--config', config, '--speed', 'max', '--once'];
  const { code, stdout, stderr } = await tagalong(args);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^moves +1: 1 completed/m);
  expect(stdout).toMatch(/^of users without a VM +300$/m);
  expect(stdout).toMatch(/^east +0 +1 +0 +1$/m);
  expect(stderr).toMatch(/^\S+ +desk +west → east +\d+\.\d s .*single-path$/m);
});

test('a replay executes orders after the end of its trace', async () => {
  const config = await file('tagalong.yaml', 'http: { port: 0 }\npolicy: { name: never }\n');
  const [trace, sites] = [await file('trace.csv', TRACE), await file('sites.csv', SITES)];
  const running = begin(['replay', '--trace', trace, '--sites', sites, '--speed', 'max', '--config', config]);
  const env = { TAGALONG_URL: await running.url() };
  const home = async () => {
    const { stdout } = await tagalong(['status', '--json'], env);
    return (JSON.parse(stdout) as PlacementStatus).vms[0]?.home;
  };
  await running.printed(/That was all/);
  expect(await home()).toBe('west');
  expect(await tagalong(['migrate', 'vm-ann', '--to', 'east'], env)).toMatchObject({ code: 0, stderr: '' });
  await running.printed(/vm-ann .*west → east .*ordered/);
  await vi.waitFor(async () => expect(await home()).toBe('east'), PATIENTLY);

  const { code, stdout } = await running.stop();
  expect(code).toBe(0);
  expect(stdout.match(/^moves /gm)).toHaveLength(1);
});

test('a trace in order of users gives a warning', async () => {
  const sites = await file('sites.csv', SITES);
  const trace = await file('trace.csv', [HEADER, ...journey('ann'), ...journey('bob'), ...journey('eve')].join('\n'));
  const args = ['replay', '--trace', trace, '--sites', sites, '--speed', 'max', '--once', '--port', '0'];
  const { code, stdout, stderr } = await tagalong(args);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain('sort the trace by time');
});

test('bad rows are counted, and the first is named; with --strict it ends the replay', async () => {
  const sites = await file('sites.csv', SITES);
  const trace = await file('trace.csv', `${HEADER}\nann,1000,52,4\nann,1060,north,4\n,1070,52,4\nann,1080,52,4\n`);
  const args = ['replay', '--trace', trace, '--sites', sites, '--speed', 'max', '--once', '--port', '0'];
  const lenient = await tagalong(args);
  expect(lenient.code, lenient.stderr).toBe(0);
  expect(lenient.stdout).toMatch(
    /^rows of the trace +4 \(csv\); 2 bad rows skipped, the first: .*trace\.csv:3: lat: /m,
  );
  expect(lenient.stdout).toMatch(/^its positions +as recorded$/m);

  const strict = await tagalong([...args, '--strict']);
  expect(strict.code).toBe(2);
  expect(strict.stdout).toBe('');
  expect(strict.stderr.match(/^tagalong: .*$/gm)).toEqual([
    expect.stringMatching(/^tagalong: TRACE_ROW_INVALID: .*trace\.csv:3: lat: /),
  ]);
});

test.each([
  [['--processes', 'placement=0'], /'placement=0' is invalid.*ingest=1,placement=2,migrator=2/],
  [['--processes', 'monitor=1'], /'monitor=1' is invalid/],
  [['--processes', 'ingest=1'], /--processes: give --config FILE/],
])('separate processes need a shared bus and store: %j', async (options, right) => {
  const [trace, sites] = [await file('trace.csv', TRACE), await file('sites.csv', SITES)];
  const { code, stdout, stderr } = await tagalong([
    'replay',
    '--trace',
    trace,
    '--sites',
    sites,
    '--speed',
    'max',
    ...options,
  ]);
  expect(stderr).toMatch(/^tagalong: USAGE: /);
  expect(stderr).toMatch(right);
  expect([code, stdout]).toEqual([2, '']);
});

test('separate processes refuse a bus in memory', async () => {
  const config = await file('tagalong.yaml', 'http: { port: 0 }\n');
  const [trace, sites] = [await file('trace.csv', TRACE), await file('sites.csv', SITES)];
  const args = ['replay', '--trace', trace, '--sites', sites, '--speed', 'max', '--config', config];
  const { code, stderr } = await tagalong([...args, '--processes', 'placement=2']);
  expect(stderr).toMatch(/^tagalong: CONFIG_INVALID: .*bus\.url: memory: /);
  expect(code).toBe(2);
});

test('a replay writes the decisions and migration events of a simulation', async () => {
  const [trace, sites, written] = [
    await file('trace.csv', TRACE),
    await file('sites.csv', SITES),
    await file('out', ''),
  ];
  const args = ['replay', '--trace', trace, '--sites', sites, '--speed', 'max', '--once', '--port', '0'];
  expect((await tagalong([...args, '--decisions', written])).code).toBe(0);
  const simulated = await file('simulated', '');
  await tagalong(['simulate', '--trace', trace, '--sites', sites, '--decisions', simulated]);
  const lines = async (path: string) => (await readFile(path, 'utf8')).split('\n').toSorted();
  expect(await lines(written)).toEqual(await lines(simulated));
  expect((await lines(written)).join()).toContain('migration.completed.v1');
});

test('a process refuses to follow the clock of another host', async () => {
  const config = await file(
    'tagalong.yaml',
    'bus: { url: "nats://127.0.0.1:1" }\nstore: { url: "nats://127.0.0.1:1" }\n',
  );
  const elsewhere = { TAGALONG_CLOCK: 'tcp://placement-1:word@192.0.2.1:4000' };
  const { code, stderr } = await tagalong(['placement', '--config', config], elsewhere);
  expect(stderr).toMatch(/^tagalong: USAGE: TAGALONG_CLOCK: .* on this host/m);
  expect(code).toBe(2);
});
