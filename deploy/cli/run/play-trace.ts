import { PersonalVms } from '#services/replay/personal-vms.ts';
import { readSites, siteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import type { Trace } from '#services/replay/traces/trace.ts';
import { DEFAULT_CONFIG, loadConfig } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Event } from '#shared/events/index.ts';
import { counted } from '#shared/format.ts';
import { type TraceReading, traceOf } from '../commands/trace-options.ts';
import { openDecisions } from '../output/output.ts';
import type { Processes } from './lockstep.ts';
import { runLog } from './logging.ts';
import { playOnProcesses } from './play-processes.ts';
import { play } from './run.ts';
import { refuseMemory } from './run-service.ts';
import { portOrAnyFree } from './serve.ts';

/** The options of `tagalong replay`. */
export interface ReplayOptions extends TraceReading {
  readonly trace: string;
  readonly speed: number;
  readonly config?: string;
  readonly sites?: string;
  readonly port?: number;
  readonly processes?: Processes;
  readonly decisions?: string;
  readonly once?: boolean;
  readonly json?: boolean;
  readonly log?: string;
}

/**
 * Plays a recorded trace.
 * @throws TagalongError USAGE, PORT_UNAVAILABLE, and the errors of reading the files
 */
export async function playTrace(options: ReplayOptions): Promise<void> {
  const { speed, processes, once = false, json = false } = options;
  const config = await configOf(options);
  if (processes !== undefined) refuseUnfit(config, options);
  const trace = await traceOf(options.trace, options);
  const { startMs, batches } = await begin(trace, options.trace);
  // A configuration that declares VMs also names their users. Without declared VMs, each user gets a personal VM.
  const personal = config.vms.length === 0 ? new PersonalVms(config.sites.map(siteSpec)) : undefined;
  const title = `${options.trace} (${trace.report.format}) on ${counted(config.sites.length, 'site')}`;
  const decisions = options.decisions === undefined ? undefined : await openDecisions(options.decisions);
  const observe = decisions && ((event: Event) => decisions.write(config.policy.name, event));
  const log = runLog(config, options.log);
  const run = {
    title,
    config,
    startMs,
    speed,
    batches,
    json,
    log,
    ...(personal && { personal }),
    ...(observe && { observe }),
  };
  if (processes === undefined) await play({ ...run, trace: trace.report, once });
  else await playOnProcesses({ ...run, processes, ...(options.log !== undefined && { logPath: options.log }) });
  await decisions?.close();
}

/** @throws TagalongError USAGE, CONFIG_INVALID if separate processes cannot share the configured bus and store */
function refuseUnfit(config: Config, { config: path, port }: ReplayOptions): void {
  const usage = (message: string) => new TagalongError('USAGE', `--processes: ${message}`);
  if (path === undefined) throw usage('give --config FILE with a bus and a store that all can reach');
  if (port !== undefined) throw usage('each process answers at a free port of its own; leave out --port');
  if (config.hypervisor.kind !== 'simulated') throw usage('the machines are simulated; leave out hypervisor.kind');
  refuseMemory('replay --processes', config, path);
}

async function configOf(options: ReplayOptions): Promise<Config> {
  const { config: path, sites: sitesPath, port } = options;
  const given = path === undefined ? DEFAULT_CONFIG : await loadConfig(path);
  if (sitesPath !== undefined && given.vms.length > 0) {
    throw new TagalongError(
      'USAGE',
      `--sites: the VMs of ${path} run at the sites of that file; leave out --sites, or the VMs`,
    );
  }
  const sites =
    sitesPath === undefined ? given.sites : (await readSites(sitesPath)).map((site) => ({ ...site, draining: false }));
  if (sites.length === 0) {
    throw new TagalongError('USAGE', 'there are no sites for the VMs; give --sites FILE, or --config FILE with sites');
  }
  return { ...given, sites, http: { ...given.http, port: port ?? (await usualPort(options, given)) } };
}

/** The port of the configuration file; without a file, the usual port, or any free one where that is taken. */
async function usualPort({ config: path }: ReplayOptions, { http }: Config): Promise<number> {
  return path === undefined ? portOrAnyFree(http.host, http.port) : http.port;
}

/** Reads up to the first position: the clock starts at its time. */
async function begin(trace: Trace, path: string): Promise<{ startMs: number; batches: AsyncIterable<readonly Fix[]> }> {
  const rest = trace.batches()[Symbol.asyncIterator]();
  const { value: first, done } = await rest.next();
  if (done || first[0] === undefined) {
    const { firstBad } = trace.report;
    throw new TagalongError('TRACE_UNREADABLE', firstBad ?? `${path}: has no position; give a trace with at least one`);
  }
  const batches = async function* () {
    yield first;
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  };
  return { startMs: first[0].atMs, batches: batches() };
}
