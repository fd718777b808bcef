import type { ProcessName } from '#services/process/modules.ts';
import { createSingle } from '#services/process/single.ts';
import { followTokens } from '#services/runtime/token-files.ts';
import { realClock } from '#shared/clock/real.ts';
import { loadConfigWithFiles } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { createLog } from '#shared/log.ts';
import { CLOCK_VARIABLE } from '#simulations/lockstep/clock-address.ts';
import { follow } from '#simulations/lockstep/follower.ts';
import { logEnd, logStart, warnOfExposed } from '../output/announce.ts';
import { openMachines } from './machines.ts';
import { openBoth } from './open-both.ts';
import { serve } from './serve.ts';
import { aborted, stopRequest } from './signals.ts';

/** The longest time for the end of a process whose replay is gone. */
const ALONE_MS = 10_000;

/** The options of `tagalong ingest`, `placement`, `migrator`, `monitor` and `dashboard`. */
export interface ServiceOptions {
  readonly config: string;
  readonly port?: number;
}

/**
 * Runs one service until the process is asked to stop, and prints its address. It uses the real clock, or the clock of the
 * replay that has started the process.
 * @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID, POLICY_UNKNOWN, PORT_UNAVAILABLE, and the errors of opening bus and
 * store and of following a replay
 */
export async function runService(name: ProcessName, { config: path, port }: ServiceOptions): Promise<void> {
  const loaded = await loadConfigWithFiles(path);
  const { value: given, exposed } = loaded;
  refuseMemory(name, given, path);
  const config = port === undefined ? given : { ...given, http: { ...given.http, port } };
  const stop = stopRequest();
  const log = createLog(config.log.level);
  logStart(log, name, config);
  warnOfExposed(log, exposed);
  const { [CLOCK_VARIABLE]: conductor } = process.env;
  const follower = conductor === undefined ? undefined : await follow(conductor);
  const ended = follower === undefined ? stop : AbortSignal.any([stop, follower.conductorGone]);
  // No replay reads the result any more. An error, for example of a lost server, needs no report.
  if (follower) void aborted(follower.conductorGone).then(() => setTimeout(() => process.exit(1), ALONE_MS).unref());
  const clock = follower?.clock ?? realClock();
  const opened = await openBoth(config, log);
  const bus = follower?.tapBus(opened.bus) ?? opened.bus;
  const store = follower?.tapStore(opened.store) ?? opened.store;
  const machines = async () => follower?.machines ?? openMachines(config, clock, store, log);
  const tokens = followTokens(path, loaded, log);
  const service = await createSingle(name, { config, clock, bus, store, log, machines, httpTokens: tokens.current });
  try {
    const url = await serve(service, config.http);
    // The service may have to wait for other services, without a limit.
    await Promise.race([service.start(), aborted(ended)]);
    if (ended.aborted) return;
    process.stdout.write(`${url}\n`);
    follower?.started(service, url);
    await aborted(ended);
  } finally {
    tokens.close();
    await service.stop();
    logEnd(log, name);
  }
}

/** @throws TagalongError CONFIG_INVALID if the events of this process could not reach other processes */
export function refuseMemory(name: string, { bus, store }: Config, path: string): void {
  for (const [section, { url }] of Object.entries({ bus, store })) {
    if (url !== 'memory:') continue;
    const right = 'give nats://HOST:PORT or kafka://HOST:PORT, or run everything in one process with "tagalong up"';
    throw new TagalongError(
      'CONFIG_INVALID',
      `${path}: ${section}.url: memory: serves one process only, and ${name} needs others; ${right}`,
    );
  }
}
