import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import type { Config } from '#shared/config/schema.ts';
import { northeastCorridor } from '#simulations/scenarios/northeast-corridor.ts';
import type { Scenario } from '#simulations/scenarios/scenario.ts';
import { runLog } from './logging.ts';
import { play } from './run.ts';
import { portOrAnyFree } from './serve.ts';

/** The options of `tagalong start`. */
export interface ScenarioOptions {
  readonly once?: boolean;
  /** Infinity: full speed. */
  readonly speed: number;
  /** Absent: the usual port, or any free one. */
  readonly port?: number;
  readonly log?: string;
  readonly json?: boolean;
}

/**
 * Plays the shipped scenario.
 * @throws TagalongError PORT_UNAVAILABLE, USAGE
 */
export async function playScenario({ once = false, speed, port, log, json = false }: ScenarioOptions): Promise<void> {
  const scenario = northeastCorridor();
  const { host, port: usual } = DEFAULT_CONFIG.http;
  const config = configOf(scenario, port ?? (await portOrAnyFree(host, usual)));
  const { startMs, endMs, description: title } = scenario;
  const batches = [[...scenario.fixes()]];
  await play({ title, config, startMs, endMs, speed, batches, once, json, log: runLog(config, log) });
}

function configOf({ sites, vms }: Scenario, port: number): Config {
  return {
    ...DEFAULT_CONFIG,
    http: { ...DEFAULT_CONFIG.http, port },
    sites: sites.map((site) => ({ ...site, draining: false })),
    vms,
  };
}
