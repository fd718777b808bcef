/** Carries out real moves step by step, without a migrator. */
import { until as isSoon } from '#shared/clock/retry.ts';
import { PHASES } from '#shared/events/index.ts';
import type { Measured, Report } from '#shared/hypervisor/hypervisor.ts';
import { qemuHypervisor } from '#shared/hypervisor/qemu/driver.ts';
import { createLog } from '#shared/log.ts';
import { type Topology, topologies } from './topology.ts';
import type { TestBed } from './world.ts';

/** The settings of the moves: make before break, and a watchdog with short limits. */
export const RULES = {
  announce: 'before',
  joinMs: 3000,
  stallMs: 5000,
  maxRounds: 30,
  maxPauseMs: 5000,
  postCopy: false,
} as const;

const PROVIDERS = ['north', 'south', 'east', 'west'];

/** Two sites with one path for each rate (for a single rate, two paths of that rate), and some clients. */
export function twoSites(rates: number | readonly number[], ...clients: string[]) {
  const each = typeof rates === 'number' ? [rates, rates] : rates;
  const uplinks = each.map((rateBps, i) => ({ provider: PROVIDERS[i]!, rateBps }));
  const sites = ['oslo', 'bonn'].map((site, i) => ({ site, lat: 50 + i, lon: 10, slots: 4, uplinks }));
  const named = (clients.length > 0 ? clients : ['phone']).map((client) => ({ client }));
  return topologies.parse(JSON.stringify({ sites, clients: named }), 'topology');
}

/** Distances: round trips between the sites and from a client to a site, and the loss of each uplink. */
export interface Apart {
  readonly rttMs?: number;
  readonly lossPercent?: number;
  readonly clientRttMs?: number;
}

/** The same sites and clients, farther apart. */
export function farApart(topology: Topology, { rttMs = 0, lossPercent = 0, clientRttMs = 0 }: Apart): Topology {
  // A round trip passes each of the two uplinks twice.
  const far = { delayMs: rttMs / 4, lossPercent };
  return {
    sites: topology.sites.map((site) => ({ ...site, uplinks: site.uplinks.map((uplink) => ({ ...uplink, ...far })) })),
    clients: topology.clients.map((client) => ({ ...client, delayMs: clientRttMs / 2 })),
  };
}

/** A small guest's figures. */
export function specOf(
  more: { readonly ramBytes?: number; readonly diskBytes?: number; readonly downtimeLimitMs?: number } = {},
) {
  const usual = { ramBytes: 128 * 2 ** 20, dirtyRateBps: 0, workingSetBytes: 0, diskBytes: 0 };
  return { ...usual, downtimeLimitMs: 300, targetRttMs: 10, ...more };
}

/** Starts a VM and waits until its guest is up. @returns its address */
export async function startVm(bed: TestBed, vm: string, site: string, spec = specOf()): Promise<string> {
  await bed.agents.get(site)!.order(vm, 'start', { machine: { image: 'default', vcpus: 1, spec } });
  return bed.ready(site, vm);
}

let serial = 0;

/**
 * Moves a VM through all steps.
 * @param before called before each step
 * @returns the figures of the move
 * @throws Error with the code of the failed step, after the move is undone
 */
export async function moveVm(
  bed: TestBed,
  vm: string,
  from: string,
  to: string,
  {
    rules = RULES,
    spec = specOf(),
    before = async () => {},
  }: {
    readonly rules?: Parameters<typeof qemuHypervisor>[0]['rules'];
    readonly spec?: ReturnType<typeof specOf>;
    readonly before?: (step: (typeof PHASES)[number]) => Promise<void>;
  } = {},
): Promise<Measured> {
  const hypervisor = qemuHypervisor({ agents: bed.agents, sites: bed.topology.sites, rules, log: createLog('silent') });
  const move = { id: `${vm}:${Date.now()}${++serial}`, vm, from, to, spec };
  try {
    const answer = (give: () => void) =>
      new Promise<Report>((resolve) => {
        hypervisor.listen((report) => report.kind !== 'progress' && resolve(report));
        give();
      });
    let measured: Measured | undefined;
    for (const step of PHASES) {
      await before(step);
      const report = await answer(() => hypervisor.begin(step, move));
      measured = report.measured;
      if (report.kind === 'done') continue;
      await answer(() => hypervisor.abort(move));
      throw Object.assign(new Error(`${step}: ${JSON.stringify(report)}`), {
        code: (report as { code?: string }).code,
      });
    }
    return measured!;
  } finally {
    hypervisor.close();
  }
}

/** Waits until `condition` is true. @throws if it is not true in time */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  if (!(await isSoon(condition, { everyMs: 20, withinMs }))) throw new Error(`not so within ${withinMs} ms`);
}
