import type { FileHandle } from 'node:fs/promises';
import { readSites, siteSpec } from '#services/replay/site-lists.ts';
import { lossWords, placeHint, samplingWords } from '#services/replay/traces/words.ts';
import { DEFAULT_CONFIG, loadConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { counted, duration } from '#shared/format.ts';
import { IS_CHECKOUT, VERSION } from '#shared/version.ts';
import { checkPolicy } from '#simulations/run-policy.ts';
import type { ScenarioVm } from '#simulations/scenarios/scenario.ts';
import { type Comparison, type Simulated, simulate } from '#simulations/simulate.ts';
import { totalOf } from '#simulations/statistics.ts';
import type { Subject } from '#simulations/subject.ts';
import { type TraceReading, traceOptionsOf } from '../commands/trace-options.ts';
import { comparisonTable, seedsTable } from '../output/comparison-table.ts';
import { csvOf } from '../output/csv.ts';
import { openOutput } from '../output/output.ts';

export interface SimulateOptions extends TraceReading {
  readonly trace?: string;
  readonly generate?: string;
  readonly sites?: string;
  readonly policy: string;
  readonly seed: number;
  readonly seeds?: readonly number[];
  readonly config?: string;
  readonly json?: string;
  readonly csv?: string;
  readonly decisions?: string;
  readonly report?: string;
}

/** Simulates, and prints the requested output: a table for people, JSON or CSV for programs. */
export async function runSimulation(options: SimulateOptions): Promise<void> {
  const { seeds = [options.seed], json, csv, decisions, report } = options;
  const config = options.config === undefined ? DEFAULT_CONFIG : await loadConfig(options.config);
  const policies = policyNames(options.policy);
  // Fails before the command reads a long trace.
  for (const name of policies) checkPolicy(name, config);
  if (json === '-' && csv === '-')
    throw new TagalongError('USAGE', '--json and --csv: both name standard output; give one of them a file');
  const subject = await subjectOf(options, config);
  // Opens the output files before the run: a result that cannot be written need not be computed.
  const jsonFile = await fileFor('--json', json);
  const csvFile = await fileFor('--csv', csv);
  const reportFile = await fileFor('--report', report);
  await (await fileFor('--decisions', decisions))?.close();

  const begunMs = performance.now();
  const withReportData = reportFile !== undefined;
  const factsPath = decisions && { factsPath: decisions };
  const simulated = await simulate(subject, { config, policies, seeds, withReportData, ...factsPath });
  const { comparison } = simulated;
  process.stderr.write(summaryLine(comparison, performance.now() - begunMs));
  const jsonText = `${JSON.stringify(comparison, null, 2)}\n`;
  const csvText = csvOf(comparison.runs);
  await finish(jsonFile, jsonText);
  await finish(csvFile, csvText);
  if (reportFile) {
    await finish(reportFile, await reportOf(simulated, options.trace));
    process.stderr.write(`The report is in ${report}; open it in a browser.\n`);
  }
  process.stdout.write(json === '-' ? jsonText : csv === '-' ? csvText : tableOf(comparison));
}

/** Splits a list of policies at its commas, except those in parentheses, which separate parameters. */
export function policyNames(text: string): string[] {
  return text.split(/,(?![^(]*\))/).map((name) => name.trim());
}

/** Opens the file of a result; undefined if there is no result to write, or if it goes to standard output. */
async function fileFor(option: string, path: string | undefined): Promise<FileHandle | undefined> {
  return path === undefined || path === '-' ? undefined : openOutput(option, path);
}

async function finish(file: FileHandle | undefined, text: string): Promise<void> {
  await file?.writeFile(text);
  await file?.close();
}

async function reportOf(simulated: Simulated, tracePath: string | undefined): Promise<string> {
  // Loads the libraries that draw only here, because they are large.
  const { reportHtml } = await import('#simulations/report/report.ts');
  const program = IS_CHECKOUT ? 'npx tagalong' : 'tagalong';
  const command = [program, ...process.argv.slice(2).map(quoted)].join(' ');
  return reportHtml(simulated, { command, version: VERSION, ...(tracePath !== undefined && { tracePath }) });
}

/** Quotes an argument for a shell: the parentheses of a policy's parameters need quotes. */
function quoted(argument: string): string {
  return /^[\w.,:=/@%+-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}

async function subjectOf(options: SimulateOptions, config: Config): Promise<Subject> {
  const { trace, generate: generator, sites, seeds } = options;
  if (generator !== undefined) {
    if (trace !== undefined) {
      throw new TagalongError('USAGE', '--trace and --generate: give only one of them');
    }
    return { kind: 'generated', generator, ...(sites !== undefined && { sites: await readSites(sites) }) };
  }
  if (trace === undefined && sites === undefined) return { kind: 'scenario' };
  if (trace === undefined || (sites === undefined && config.sites.length === 0)) {
    const next = 'or --config has the sites; with neither the shipped scenario is simulated';
    throw new TagalongError('USAGE', `--trace and --sites go together, ${next}`);
  }
  if (seeds !== undefined) {
    throw new TagalongError(
      'USAGE',
      '--seeds: a recorded trace is the same for every seed; use --generate instead of --trace',
    );
  }
  const recorded = { kind: 'trace', path: trace, options: traceOptionsOf(options) } as const;
  if (sites !== undefined) return { ...recorded, sites: await readSites(sites) };
  const vms = config.vms as readonly ScenarioVm[];
  return { ...recorded, sites: config.sites.map(siteSpec), ...(vms.length > 0 && { vms }) };
}

function summaryLine({ trace, runs, seeds }: Comparison, tookMs: number): string {
  const first = runs[0]!;
  const events = runs.reduce((total, { locations }) => total + totalOf(locations), 0);
  const policies = runs.length / seeds.length;
  const what = [
    counted(first.users, 'user'),
    counted(first.sites, 'site'),
    policies === 1 ? '1 policy' : `${policies} policies`,
    ...(seeds.length > 1 ? [counted(seeds.length, 'seed')] : []),
    duration(tookMs),
    `${Math.round((events / tookMs) * 1000).toLocaleString('en')} locations a second`,
  ].join(', ');
  const read = trace ? `, positions ${samplingWords(trace)}${lossWords(trace)}` : '';
  const hint = placeHint(first.locations, totalOf(first.locations));
  return `${what}${read}${hint ? `; ${hint}` : ''}\n`;
}

function tableOf({ runs, statistics }: Comparison): string {
  return statistics === undefined ? comparisonTable(runs) : seedsTable(statistics);
}
