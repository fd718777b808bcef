import { createSystem } from '#services/process/system.ts';
import { followTokens } from '#services/runtime/token-files.ts';
import { realClock } from '#shared/clock/real.ts';
import { crossFaults } from '#shared/config/checks.ts';
import { loadConfigWithFiles } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { createLog } from '#shared/log.ts';
import { logDashboard, logEnd, logStart, warnOfExposed } from '../output/announce.ts';
import { openMachines } from './machines.ts';
import { openBoth } from './open-both.ts';
import { serve } from './serve.ts';
import { aborted, stopRequest } from './signals.ts';

/** The options of `tagalong up`. */
export interface LiveOptions {
  readonly config: string;
  readonly hypervisor?: Config['hypervisor']['kind'];
}

/** @throws TagalongError CONFIG_INVALID where the rest of the configuration does not fit it */
function withHypervisor(given: Config, kind: Config['hypervisor']['kind'], path: string): Config {
  const config = { ...given, hypervisor: { ...given.hypervisor, kind } };
  const [fault] = crossFaults(config);
  if (fault)
    throw new TagalongError(fault.code ?? 'CONFIG_INVALID', `${path}: ${fault.path.join('.')}: ${fault.message}`);
  return config;
}

/**
 * Runs a configuration on the real clock until the process is asked to stop; prints the address.
 * @throws TagalongError CONFIG_UNREADABLE, CONFIG_INVALID, POLICY_UNKNOWN, PORT_UNAVAILABLE
 */
export async function runLive({ config: path, hypervisor }: LiveOptions): Promise<void> {
  const loaded = await loadConfigWithFiles(path);
  const { value, exposed } = loaded;
  const config = hypervisor === undefined ? value : withHypervisor(value, hypervisor, path);
  if (config.sites.length === 0) {
    throw new TagalongError('CONFIG_INVALID', `${path}:1: sites: there are none; give at least one`);
  }
  const stop = stopRequest();
  const log = createLog(config.log.level);
  logStart(log, 'up', config);
  warnOfExposed(log, exposed);
  const clock = realClock();
  const { bus, store } = await openBoth(config, log);
  const machines = await openMachines(config, clock, store, log);
  const tokens = followTokens(path, loaded, log);
  const system = createSystem({ config, clock, bus, store, log, machines, httpTokens: tokens.current });
  try {
    const url = await serve(system, config.http);
    await system.start();
    await system.declare();
    process.stdout.write(`${url}\n`);
    logDashboard(log, url, config);
    await aborted(stop);
  } finally {
    tokens.close();
    await system.stop();
    logEnd(log, 'up');
  }
}
