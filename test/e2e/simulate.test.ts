import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Data, Fact } from '#shared/events/index.ts';
import type { RunResult } from '#simulations/engine.ts';
import type { Comparison } from '#simulations/simulate.ts';
import { onlyLong } from '../long.ts';
import { file, tagalong } from './cli.ts';

const data = '../shared/data/sf-cabspotting';
const demo = { trace: `${data}/cabs-demo-25.csv`, sites: `${data}/sites-demo-24.csv` };
const weekday = { trace: `${data}/cabs-2008-05-21.csv.gz`, sites: `${data}/sites-enodeb-sf.csv` };

/** A test on recorded positions, which is skipped by name without them. */
function testWith(pair: typeof demo, name: string, run: () => Promise<void>, timeoutMs?: number) {
  const missing = Object.values(pair).filter((path) => !existsSync(path));
  const title = missing.length === 0 ? name : `${name} [skipped: ${missing.join(', ')} is missing]`;
  test.skipIf(missing.length > 0)(title, run, timeoutMs);
}

const simulate = (...args: string[]) => tagalong(['simulate', ...args]);
const argsOf = ({ trace, sites }: typeof demo) => ['--trace', trace, '--sites', sites];

async function comparisonOf(...args: string[]): Promise<Comparison> {
  const { code, stdout, stderr } = await simulate(...args, '--json', '-');
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Comparison;
}

const sum = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);

/** Asserts that each position and each move is counted once. */
function expectToAddUp({ locations, decisions, migrations }: RunResult, rows: number): void {
  expect(sum(locations)).toBe(rows);
  const ordered = Object.entries(decisions).filter(([what]) => what.startsWith('move '));
  const { completed, cancelled, failed } = migrations;
  expect(completed + cancelled + sum(failed)).toBe(sum(Object.fromEntries(ordered)));
  for (const { count } of [migrations.durationMs, migrations.pauseMs, migrations.interruptionMs]) {
    expect(count).toBe(completed);
  }
}

type Line = Fact & { readonly policy: string };

async function linesOf(path: string): Promise<Line[]> {
  const text = await readFile(path, 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** The shortest time from the end of a move to the order of the next move of the same VM. */
function shortestPauseMs(lines: readonly Line[], policy: string): number {
  const endedMs = new Map<string, number>();
  let shortest = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    if (line.policy !== policy) continue;
    if (line.type === 'migration.completed.v1') endedMs.set(line.data.vm, line.data.atMs);
    if (line.type !== 'placement.decided.v1' || line.data.verdict !== 'move') continue;
    const { vm, atMs } = line.data;
    shortest = Math.min(shortest, atMs - (endedMs.get(vm) ?? Number.NEGATIVE_INFINITY));
  }
  return shortest;
}

describe('an evening of 25 cabs', () => {
  testWith(demo, 'is simulated to its end, and the figures add up', async () => {
    const { trace, runs, settings } = await comparisonOf(...argsOf(demo), '--policy', 'tagalong,nearest,never');
    expect(trace).toEqual({ format: 'csv', rows: 6_920, bad: 0, sampling: { everyMs: null } });
    expect(runs.map(({ policy }) => policy)).toEqual(['tagalong', 'nearest', 'never']);
    for (const run of runs) {
      expectToAddUp(run, 6_920);
      expect(run).toMatchObject({ users: 25, vms: 25, sites: 24, fromMs: 1_211_418_001_000, toMs: 1_211_432_399_000 });
      expect(run.cost.totalUserMs).toBe(run.cost.servingUserMs + run.cost.movingUserMs);
    }
    const [tagalong, nearest, never] = runs as readonly RunResult[] as [RunResult, RunResult, RunResult];
    expect(tagalong.migrations.completed).toBeGreaterThan(100);
    expect(tagalong.cost.totalUserMs).toBeLessThan(never.cost.totalUserMs);
    expect(never.decisions).toEqual({});
    expect(never.cost.movingUserMs).toBe(0);
    // nearest serves better and moves more.
    expect(nearest.cost.servingUserMs).toBeLessThan(tagalong.cost.servingUserMs);
    expect(nearest.migrations.completed).toBeGreaterThan(tagalong.migrations.completed);
    expect(settings.policy.name).toBe('tagalong');
  });

  testWith(demo, 'gives the same bytes again, on standard output and in a file', async () => {
    const args = [...argsOf(demo), '--policy', 'tagalong,nearest', '--seed', '7'];
    const out = await file('result.json', '');
    const [first, second] = [await simulate(...args, '--json', '-'), await simulate(...args, '--json', out)];
    expect(first.code, first.stderr).toBe(0);
    expect(await readFile(out, 'utf8')).toBe(first.stdout);
    expect(second.stdout).toMatch(/^cost, user-seconds /m);
  });

  testWith(demo, 'compares published rules with the lowest possible cost', async () => {
    const policies = ['hysteresis(2.5)', 'lyapunov(1000,0.1)', 'look-ahead(300)', 'optimum', 'nearest'];
    const { runs } = await comparisonOf(...argsOf(demo), '--policy', policies.join(','));
    expect(runs.map(({ policy }) => policy)).toEqual(policies);
    const least = runs.find(({ isBound }) => isBound)!.cost.totalUserMs;
    for (const { cost, policy, isBound } of runs) {
      expect(cost.timesOptimum, policy).toBe(cost.totalUserMs / least);
      if (!isBound) expect(cost.timesOptimum, policy).toBeGreaterThan(1);
    }
    const { stdout } = await simulate(...argsOf(demo), '--policy', 'never,optimum');
    expect(stdout).toMatch(/^ {2}÷ optimum +\d\.\d{3} +1\.000$/m);
  });

  test('a policy with wrong parameters is refused before the trace is read', async () => {
    const { code, stderr } = await simulate('--trace', 'no-such-file', '--sites', 'none', '--policy', 'optimum(3)');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^tagalong: POLICY_UNKNOWN: policy "optimum\(3\)".*\n$/);
  });

  testWith(demo, 'writes each decision and each step of each move to a file', async () => {
    const out = await file('decisions.ndjson', '');
    const policies = ['tagalong', 'nearest', 'never'];
    const args = [...argsOf(demo), '--policy', policies.join(','), '--decisions', out];
    const { runs, settings } = await comparisonOf(...args);
    const lines = await linesOf(out);
    for (const { policy, decisions, migrations } of runs) {
      const own = lines.filter((line) => line.policy === policy);
      const decided = own.flatMap(({ type, data }) => (type === 'placement.decided.v1' ? [data] : []));
      const counted = Map.groupBy(decided, ({ verdict, reason }) => `${verdict} ${reason}`);
      expect(Object.fromEntries([...counted].map(([what, { length }]) => [what, length]))).toEqual(decisions);
      expect(new Set(decided.map(({ decision }) => decision)).size).toBe(decided.length);

      const idsOf = (...types: string[]) =>
        own
          .filter(({ type }) => types.includes(type))
          .map(({ data }) => (data as Data<'migration.accepted.v1'>).migration)
          .sort();
      const ordered = decided.filter(({ verdict }) => verdict === 'move').map(({ decision }) => decision);
      expect(idsOf('migration.accepted.v1')).toEqual(ordered.sort());
      // Each move ends once.
      const ends = idsOf('migration.completed.v1', 'migration.failed.v1', 'migration.cancelled.v1');
      expect(ends).toEqual(idsOf('migration.accepted.v1'));
      expect(idsOf('migration.completed.v1')).toHaveLength(migrations.completed);
      const times = own.map(({ data }) => data.atMs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
    expect(shortestPauseMs(lines, 'tagalong')).toBeGreaterThanOrEqual(settings.policy.coolingMs);
    expect(shortestPauseMs(lines, 'nearest'), 'nearest comes without pauses').toBeLessThan(settings.policy.coolingMs);
    expect(runs.map(({ migrations }) => migrations.pingPong > 0)).toEqual([false, true, false]);
  });
});

onlyLong(() => {
  // The benchmarks measure its duration.
  const timeoutMs = 900_000;
  testWith(
    weekday,
    'a weekday of 499 cabs is simulated from its gzip, and tagalong costs at most as much as never',
    async () => {
      const { trace, runs } = await comparisonOf(...argsOf(weekday), '--policy', 'tagalong,never');
      expect(trace).toMatchObject({ format: 'csv', rows: 456_453, bad: 0 });
      for (const run of runs) {
        expectToAddUp(run, 456_453);
        expect(run).toMatchObject({ users: 499, vms: 499, sites: 549 });
      }
      const [tagalong, never] = runs as readonly RunResult[] as [RunResult, RunResult];
      expect(tagalong.migrations.completed).toBeGreaterThan(1_000);
      expect(tagalong.migrations.failed).toEqual({});
      expect(never.cost.totalUserMs).toBeGreaterThanOrEqual(tagalong.cost.totalUserMs);
    },
    timeoutMs,
  );
});

describe('the shipped scenario', () => {
  test('is the default subject, and gives the same bytes for the same seed', async () => {
    const table = await simulate('--policy', 'tagalong, never');
    expect(table.code, table.stderr).toBe(0);
    expect(table.stdout).toMatch(/^ +tagalong +never\n/m);
    expect(table.stdout).toMatch(/^moves completed +\d+ +0\n/m);
    expect(table.stderr).toMatch(/^130 users, 7 sites, 2 policies, .* locations a second\n$/);
    const [one, again, other] = [
      await simulate('--json', '-'),
      await simulate('--seed', '1', '--json', '-'),
      await simulate('--seed', '2', '--json', '-'),
    ];
    expect(again.stdout).toBe(one.stdout);
    expect(JSON.parse(other.stdout)).toMatchObject({ seeds: [2], scenario: JSON.parse(one.stdout).scenario });
    expect(JSON.parse(other.stdout).runs).not.toEqual(JSON.parse(one.stdout).runs);
  });
});

describe('generated users', () => {
  test('with several seeds give means with their confidence, and CSV with a row for each run', {
    timeout: 120_000,
  }, async () => {
    const csv = await file('runs.csv', '');
    const args = [
      '--generate',
      'random-waypoint,users=20,steps=300,sites=25',
      '--policy',
      'nearest,never',
      '--seeds',
      '1-3',
    ];
    const table = await simulate(...args, '--csv', csv);
    expect(table.code, table.stderr).toBe(0);
    expect(table.stderr).toMatch(/^20 users, 25 sites, 2 policies, 3 seeds, /);
    const { seeds, runs, statistics } = await comparisonOf(...args);
    expect(seeds).toEqual([1, 2, 3]);
    const { mean, halfWidth } = statistics!.policies[0]!.figures.movesCompleted;
    expect(mean).toBeGreaterThan(0);
    const shown = [mean, halfWidth]
      .map((value) => value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0))
      .join(' ± ');
    expect(table.stdout).toMatch(new RegExp(`^moves completed +${shown.replaceAll('.', '\\.')} +0.00 ± 0.00$`, 'm'));
    expect(table.stdout).toMatch(/^more than nearest, seed by seed +never$/m);
    const rows = (await readFile(csv, 'utf8')).trimEnd().split('\n');
    expect(rows.map((row) => row.split(',').slice(0, 2).join())).toEqual([
      'policy,seed',
      ...['nearest', 'never'].flatMap((policy) => [1, 2, 3].map((seed) => `${policy},${seed}`)),
    ]);
    expect(runs.map(({ policy, seed }) => `${policy},${seed}`)).toEqual(
      rows.slice(1).map((row) => row.split(',').slice(0, 2).join()),
    );
  });

  const few = 'random-waypoint,users=20,steps=300,sites=25,spacingM=500';

  test('get generated sites; the result names the generator, and is the same for the same seed', async () => {
    const args = ['--generate', few, '--policy', 'nearest,never', '--json', '-'];
    const [one, again, other] = [
      await simulate(...args, '--seed', '3'),
      await simulate(...args, '--seed', '3'),
      await simulate(...args, '--seed', '4'),
    ];
    expect(one.code, one.stderr).toBe(0);
    expect(again.stdout).toBe(one.stdout);
    expect(other.stdout).not.toBe(one.stdout);
    const { seeds, trace, runs } = JSON.parse(one.stdout) as Comparison;
    const format = `generated random-waypoint,users=20,steps=300,stepS=1,fromMps=8,toMps=20,sites=25,spacingM=500`;
    expect({ seeds, trace }).toEqual({
      seeds: [3],
      trace: { format, rows: 6_000, bad: 0, sampling: { everyMs: null } },
    });
    expect(runs[0]).toMatchObject({ users: 20, sites: 25 });
    expectToAddUp(runs[0]!, 6_000);
  });

  test('move among given sites', async () => {
    const sites = await file('sites.csv', 'site,lat,lon\nwest,52,4\neast,52,5\n');
    const { runs } = await comparisonOf(
      '--generate',
      'ferry,users=10,steps=800',
      '--sites',
      sites,
      '--policy',
      'nearest',
    );
    expect(runs[0]).toMatchObject({ users: 10, sites: 2 });
    expect(runs[0]!.migrations.completed).toBeGreaterThanOrEqual(10);
  });
});

describe('a trace of one user', () => {
  const SITES = 'site,lat,lon,slots\nwest,52,4,10\neast,52,7,10\n';
  const HEADER = 'user,t,lat,lon';
  /** An hour in the west, two hours of travel, then in the east. */
  const rows = Array.from({ length: 300 }, (_, minute) => {
    const share = Math.min(1, Math.max(0, (minute - 60) / 120));
    return `ann,${1_700_000_000 + minute * 60},52,${(4 + 3 * share).toFixed(5)}`;
  });
  const pair = async (lines: readonly string[]) => ({
    trace: await file('trace.csv', [HEADER, ...lines, ''].join('\n')),
    sites: await file('sites.csv', SITES),
  });

  test('gives the same result gzipped and plain', async () => {
    const plain = await pair(rows);
    const gz = await file('trace.csv.gz', '');
    await writeFile(gz, gzipSync(await readFile(plain.trace)));
    const comparison = await comparisonOf(...argsOf(plain));
    expect(comparison.runs[0]).toMatchObject({ users: 1, decisions: { 'move better-site': 1 } });
    expect(await comparisonOf(...argsOf({ ...plain, trace: gz }))).toEqual(comparison);
  });

  test('may have columns of other names, and may be resampled, which the result reports', async () => {
    const { trace, sites } = await pair(rows);
    const other = await file(
      'other.csv',
      (await readFile(trace, 'utf8')).replace(HEADER, 'cab_id,ts,latitude,longitude'),
    );
    const args = ['--trace', other, '--sites', sites, '--columns', 'user=cab_id,t=ts,lat=latitude,lon=longitude'];
    expect((await comparisonOf(...args)).runs).toEqual((await comparisonOf(...argsOf({ trace, sites }))).runs);

    const steady = await comparisonOf(...args, '--every-seconds', '30');
    const sampling = { everyMs: 30_000, gapMs: 300_000, sessions: 1, positions: 599 };
    expect(steady.trace).toMatchObject({ rows: 300, sampling });
    expectToAddUp(steady.runs[0]!, 599);
    const { stderr } = await simulate(...args, '--every-seconds', '30', '--gap-seconds', '20');
    expect(stderr).toMatch(
      /, positions every 30\.0 s, silences over 20\.0 s left open: 300 positions in 300 sessions\n$/,
    );
  });

  test('in metres of a plane gives a warning', async () => {
    const { code, stderr } = await simulate(...argsOf(await pair(rows.map((row) => row.replace(',52,', ',2557.7,')))));
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/; most positions are not on the earth; .*\n$/);
  });

  test('is simulated without its bad rows; with --strict the first of them ends the simulation', async () => {
    const args = argsOf(await pair([...rows.slice(0, 2), 'ann,then,52,4', ...rows.slice(2), ',1,52,4']));
    const { stderr, stdout } = await simulate(...args, '--json', '-');
    const { trace, runs } = JSON.parse(stdout) as Comparison;
    expect(trace).toMatchObject({ rows: 302, bad: 2, firstBad: expect.stringMatching(/trace\.csv:4: t: /) });
    expectToAddUp(runs[0]!, 300);
    expect(stderr).toMatch(/; 2 bad rows skipped, the first: .*trace\.csv:4: t: /);

    const strict = await simulate(...args, '--strict', '--json', '-');
    expect(strict).toMatchObject({ code: 2, stdout: '' });
    const { error } = JSON.parse(strict.stderr);
    expect(error).toEqual({ code: 'TRACE_ROW_INVALID', message: expect.stringMatching(/trace\.csv:4: t: /) });
  });
});

describe('simulate refuses in one line, with exit status 2,', () => {
  test.each<[string, string[], string]>([
    [
      'an unknown policy, before it opens the trace',
      ['--policy', 'tagalong,always', '--trace', 'none.csv', '--sites', 'none.csv'],
      'POLICY_UNKNOWN: policy "always" is not known; choose one of tagalong, ',
    ],
    ['a trace without sites', ['--trace', 'none.csv'], 'USAGE: --trace and --sites go together'],
    ['sites without a trace', ['--sites', 'none.csv'], 'USAGE: --trace and --sites go together'],
    ['a trace and generated users', ['--trace', 'none.csv', '--generate', 'ferry'], 'USAGE: --trace and --generate'],
    [
      'an unknown generator',
      ['--generate', 'bees'],
      'USAGE: --generate: there is no generator "bees"; choose one of random-waypoint, ',
    ],
    [
      'a seed that is no number',
      ['--seed', 'one'],
      "USAGE: option '--seed <n>' argument 'one' is invalid. Give a whole",
    ],
    [
      'an invalid range of seeds',
      ['--seeds', '5-1'],
      "USAGE: option '--seeds <from-to>' argument '5-1' is invalid. Give two",
    ],
    [
      'one seed and several',
      ['--seed', '1', '--seeds', '1-5'],
      "USAGE: option '--seeds <from-to>' cannot be used with",
    ],
    [
      'seeds for a recorded trace',
      ['--trace', 'none.csv', '--sites', 'shared/none.csv', '--seeds', '1-5'],
      'USAGE: --seeds: a recorded trace is the same for every seed',
    ],
    ['an unknown format', ['--format', 'xml'], 'USAGE: '],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await simulate(...args);
    expect({ code, stdout, lines: stderr.split('\n').length }).toEqual({ code: 2, stdout: '', lines: 2 });
    expect(stderr).toContain(`tagalong: ${message}`);
  });

  test('JSON and CSV on one output are refused, with an error in JSON', async () => {
    const { code, stdout, stderr } = await simulate('--json', '-', '--csv', '-');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(JSON.parse(stderr).error.code).toBe('USAGE');
  });
});
