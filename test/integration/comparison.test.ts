/** Several policies and seeds on several threads give the same result as on one thread, byte for byte. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { readSites } from '#services/replay/site-lists.ts';
import { openTrace } from '#services/replay/traces/trace.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { run } from '#simulations/engine.ts';
import { northeastCorridor } from '#simulations/scenarios/northeast-corridor.ts';
import { sharedBatches, shareTrace } from '#simulations/shared-trace.ts';
import { type SimulateOptions, simulate } from '#simulations/simulate.ts';
import type { Subject } from '#simulations/subject.ts';

const config = DEFAULT_CONFIG;
const MADE_UP: Subject = { kind: 'generated', generator: 'random-waypoint,users=30,steps=400,sites=25,spacingM=500' };

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function folder(): Promise<string> {
  folders.push(await mkdtemp(join(tmpdir(), 'tagalong-test-')));
  return folders.at(-1)!;
}

/** Writes a trace of five users who go from site to site, and a list of sites. */
async function recorded(): Promise<Subject> {
  const here = await folder();
  const rows = Array.from({ length: 600 }, (_, i) => {
    const [user, minute] = [i % 5, Math.floor(i / 5)];
    return `user-${user},${1_700_000_000 + minute * 60 + user},52,${(4 + ((minute * (user + 1)) % 90) / 30).toFixed(4)}`;
  });
  await writeFile(join(here, 'trace.csv'), `user,t,lat,lon\n${rows.join('\n')}\nann,never,52,4\n`);
  await writeFile(join(here, 'sites.csv'), 'site,lat,lon\nwest,52,4\nmiddle,52,5.5\neast,52,7\n');
  const sites = await readSites(join(here, 'sites.csv'));
  return { kind: 'trace', path: join(here, 'trace.csv'), options: {}, sites };
}

/** Runs a comparison. @returns its result, also as text, and its events as text */
async function outcome(subject: Subject, options: Omit<SimulateOptions, 'config' | 'factsPath'>) {
  const factsPath = join(await folder(), 'facts.ndjson');
  const { comparison } = await simulate(subject, { config, ...options, factsPath });
  return { comparison, json: JSON.stringify(comparison), facts: await readFile(factsPath, 'utf8') };
}

// Threads start slowly on a busy machine.
const TIMEOUT_MS = 120_000;

describe.each<[string, () => Promise<Subject>, readonly number[]]>([
  ['a recorded trace', recorded, [1]],
  ['made-up users', async () => MADE_UP, [3, 4, 5]],
  ['the shipped scenario', async () => ({ kind: 'scenario' }), [1]],
])('%s', { timeout: TIMEOUT_MS }, (_, make, seeds) => {
  test('gives the same figures and events on one thread and on three', async () => {
    const subject = await make();
    const policies = ['never', 'tagalong', 'nearest', 'hysteresis(2)', 'optimum'];
    const alone = await outcome(subject, { policies, seeds, threads: 1 });
    const shared = await outcome(subject, { policies, seeds, threads: 3 });
    expect(shared.json).toBe(alone.json);
    expect(shared.facts).toBe(alone.facts);
    const { runs } = alone.comparison;
    expect(runs.map(({ policy, seed }) => [policy, seed])).toEqual(
      policies.flatMap((policy) => seeds.map((seed) => [policy, seed])),
    );
    expect(runs.at(-1)!.migrations.completed).toBeGreaterThan(0);
    // The events also come in order of policy and seed. A recorded trace has no seed, so its events name none.
    const lines = alone.facts.trimEnd().split('\n');
    const groups = new Set(
      lines.map((line) => /^\{"policy":"([^"]+)"(?:,"seed":(\d+))?,/.exec(line)!.slice(1).join(' ')),
    );
    const named = subject.kind === 'trace' ? [''] : seeds;
    // The first policy never moves a VM, and the last is a bound: neither has events.
    const expected = policies.slice(1, -1).flatMap((policy) => named.map((seed) => `${policy} ${seed}`));
    expect([...groups]).toEqual(expected);
    for (const { policy, cost } of runs) {
      if (policy === 'optimum') expect(cost.timesOptimum).toBe(1);
      else expect(cost.timesOptimum).toBeGreaterThan(1);
    }
  });
});

test('a run of a comparison equals the same run by the engine alone', { timeout: TIMEOUT_MS }, async () => {
  const { sites, vms, fixes } = northeastCorridor(2);
  const alone = await run({ config, sites, vms, batches: [[...fixes()]] });
  const options = { config, policies: ['never', 'tagalong'], seeds: [1, 2] };
  const { runs } = (await simulate({ kind: 'scenario' }, options)).comparison;
  expect(JSON.stringify(runs.at(-1))).toBe(JSON.stringify({ seed: 2, ...alone }));
});

test('a shared trace holds the rows as they were read; a trace that is too long is not shared', async () => {
  const subject = (await recorded()) as Extract<Subject, { kind: 'trace' }>;
  const read = await openTrace(subject.path);
  const fixes = [];
  for await (const batch of read.batches()) fixes.push(...batch);
  const shared = await shareTrace(read.batches());
  expect([...sharedBatches(shared!)].flat()).toEqual(fixes);
  expect(await shareTrace(read.batches(), fixes.length)).toBeDefined();
  expect(await shareTrace(read.batches(), fixes.length - 1)).toBeUndefined();
});

test('the result says how many rows of the trace are bad, also if several runs share it', {
  timeout: TIMEOUT_MS,
}, async () => {
  const subject = await recorded();
  const { comparison } = await simulate(subject, { config, policies: ['never', 'tagalong'], seeds: [1] });
  expect(comparison.trace).toMatchObject({
    format: 'csv',
    rows: 601,
    bad: 1,
    firstBad: expect.stringContaining('trace.csv:602'),
  });
});

describe('a failure in one of the threads', { timeout: TIMEOUT_MS }, () => {
  test.each([
    ['an unknown policy', MADE_UP, ['never', 'always', 'tagalong'], 'POLICY_UNKNOWN'],
    ['an unknown generator', { kind: 'generated', generator: 'bees' }, ['never', 'tagalong'], 'USAGE'],
  ] as const)('fails the comparison with its code: %s', async (_, subject, policies, code) => {
    await expect(simulate(subject, { config, policies, seeds: [1, 2], threads: 2 })).rejects.toMatchObject({ code });
  });
});
