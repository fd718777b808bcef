import { readSites } from '#services/ingest/sites.ts';
import { DEFAULT_CONFIG, loadConfig } from '#shared/config/load.ts';
import { TagalongError } from '#shared/errors.ts';
import { policyNamed } from '#shared/policy/policies.ts';
import type { RunResult } from '#simulations/engine.ts';
import { generate } from '#simulations/generators/generate.ts';
import { northeastCorridor } from '#simulations/scenarios/northeast-corridor.ts';
import { type Comparison, type Subject, simulate } from '#simulations/simulate.ts';
import { bytes, counted, digits, duration, percent } from './format.ts';
import { openDecisions, openOutput } from './output.ts';
import { table } from './table.ts';
import { type TraceReading, traceOf } from './trace-options.ts';
import { lossWords, placeHint, samplingWords } from './trace-words.ts';

export interface SimulateOptions extends TraceReading {
  readonly trace?: string;
  readonly generate?: string;
  readonly sites?: string;
  readonly policy: string;
  readonly seed: string;
  readonly config?: string;
  readonly json?: string;
  readonly decisions?: string;
}

/** Simulates, and prints what was asked for: a table for people, JSON for programs. */
export async function runSimulation(options: SimulateOptions): Promise<void> {
  const config = options.config === undefined ? DEFAULT_CONFIG : await loadConfig(options.config);
  const seed = Number(options.seed);
  if (!Number.isSafeInteger(seed)) throw new TagalongError('USAGE', '--seed: a whole number would be right');
  const policies = options.policy.split(',').map((name) => name.trim());
  // Before a long trace is read.
  for (const name of policies) policyNamed(name, config.policy);
  const subject = await subjectOf(options, seed);
  // Also before: what cannot be written at the end should not be computed.
  const result =
    options.json === undefined || options.json === '-' ? undefined : await openOutput('--json', options.json);
  const decisions = options.decisions === undefined ? undefined : await openDecisions(options.decisions);

  const begunMs = performance.now();
  const comparison = await simulate(subject, {
    config,
    policies,
    seed,
    ...(decisions && { observe: decisions.write }),
  });
  const tookMs = performance.now() - begunMs;
  await decisions?.close();
  process.stderr.write(summaryLine(comparison, tookMs));
  const json = `${JSON.stringify(comparison, null, 2)}\n`;
  if (result) {
    await result.writeFile(json);
    await result.close();
  }
  process.stdout.write(options.json === '-' ? json : comparisonTable(comparison));
}

async function subjectOf(options: SimulateOptions, seed: number): Promise<Subject> {
  const { trace, generate: generated, sites } = options;
  if (generated !== undefined) {
    if (trace !== undefined) {
      throw new TagalongError('USAGE', '--trace and --generate: one of them would be right');
    }
    return generate(generated, seed, sites === undefined ? undefined : await readSites(sites));
  }
  if (trace === undefined && sites === undefined) return { scenario: northeastCorridor(seed) };
  if (trace === undefined || sites === undefined) {
    throw new TagalongError('USAGE', '--trace and --sites go together; with neither the shipped scenario is simulated');
  }
  return { sites: await readSites(sites), trace: await traceOf(trace, options) };
}

function summaryLine({ trace, runs }: Comparison, tookMs: number): string {
  const first = runs[0]!;
  const events = runs.reduce((sum, { locations }) => sum + Object.values(locations).reduce((a, b) => a + b, 0), 0);
  const read = trace ? `, positions ${samplingWords(trace)}${lossWords(trace)}` : '';
  const hint = placeHint(first.locations, sum(first.locations));
  const rate = Math.round((events / tookMs) * 1000).toLocaleString('en');
  return `${counted(first.users, 'user')}, ${counted(first.sites, 'site')}, ${counted(runs.length, 'policy').replace('policys', 'policies')}, ${duration(tookMs)}, ${rate} locations a second${read}${hint ? `; ${hint}` : ''}\n`;
}

/** One column a policy. */
export function comparisonTable({ runs }: Comparison): string {
  const columns = [{ head: '' }, ...runs.map(({ policy }) => ({ head: policy, align: 'right' as const }))];
  const row = (head: string, cell: (run: RunResult) => string) => [head, ...runs.map(cell)];
  const userSeconds = (userMs: number) => digits(userMs / 1000);
  return table(columns, [
    row('cost, user-seconds', ({ cost }) => userSeconds(cost.totalUserMs)),
    row('  of serving', ({ cost }) => userSeconds(cost.servingUserMs)),
    row('  of moving', ({ cost }) => userSeconds(cost.movingUserMs)),
    row('mean RTT above the target', ({ cost }) => `${cost.meanExcessRttMs.toFixed(3)} ms`),
    row('moves completed', ({ migrations }) => String(migrations.completed)),
    row('  cancelled, failed', ({ migrations: m }) => `${m.cancelled}, ${sum(m.failed)}`),
    row('  back within 5 minutes', ({ migrations: m }) => percent(m.completed ? m.pingPong / m.completed : 0)),
    row('duration, p50 / p95', ({ migrations: m }) => `${duration(m.durationMs.p50)} / ${duration(m.durationMs.p95)}`),
    row('pause, p50 / p95', ({ migrations: m }) => `${duration(m.pauseMs.p50)} / ${duration(m.pauseMs.p95)}`),
    row(
      'interruption, p50 / p95',
      ({ migrations: m }) => `${duration(m.interruptionMs.p50)} / ${duration(m.interruptionMs.p95)}`,
    ),
    row('data moved', ({ migrations }) => bytes(migrations.bytes)),
    row('locations that counted', ({ locations }) => String((locations.quiet ?? 0) + (locations.looked ?? 0))),
    ...Object.keys(refusedLocations(runs)).map((code) =>
      row(`  ${code}`, ({ locations }) => String(locations[code] ?? 0)),
    ),
  ]);
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

/** What did not count in any of the runs, by why. */
function refusedLocations(runs: readonly RunResult[]): Record<string, number> {
  const { quiet: _, looked: __, ...refused } = Object.assign({}, ...runs.map(({ locations }) => locations));
  return refused;
}
