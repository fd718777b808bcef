/**
 * Sites, providers and clients as network namespaces of this host:
 *
 * ```
 *   client ── access ── site ─┬─ provider ─┬─ site
 *                             └─ provider ─┘
 * ```
 *
 * Site number i has the LAN 10.i.0.0/24 on its bridge `lan0`, on provider number p the address 10.(100+p).i.2, on the
 * access network 10.200.i.2; client number j has 10.201.j.2. A migration uses the providers' paths. Users reach the
 * sites by the access network, so that copies and users share a path only on stretched LANs.
 */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { batch } from './batch.ts';
import { claimRun, namespaceName, type RunFolder, removeRun, sweepRuns } from './runs.ts';
import { rateLines } from './shape.ts';
import type { Topology } from './topology.ts';
import { LAN_MTU, Wiring } from './wiring.ts';

const execute = promisify(execFile);

/** One site from the view of its host. */
export interface SiteNetwork {
  readonly namespace: string;
  readonly lan: { readonly bridge: string; readonly subnet: string; readonly gateway: string; readonly mtu: number };
  readonly endpoints: readonly { readonly provider: string; readonly address: string }[];
}

export interface Network {
  readonly run: RunFolder;
  site(name: string): SiteNetwork;
  /** The namespace of a site, a provider, a client, or `access`. */
  namespace(name: string): string;
  /** Runs a program in a namespace and returns its output. */
  exec(name: string, argv: readonly string[]): Promise<string>;
  spawn(name: string, argv: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Cuts a site's uplink: no packet passes in either direction, and neither end gets an error. */
  cut(site: string, provider: string): Promise<void>;
  mend(site: string, provider: string): Promise<void>;
  setRate(site: string, provider: string, rateBps: number): Promise<void>;
  /** Ends every process in the run's namespaces and removes them. */
  close(): Promise<void>;
}

/**
 * Builds a test bed. Linux, root.
 * @throws TagalongError TESTBED_MISSING if the topology has delay or loss and the host cannot produce them
 */
export async function openNetwork(topology: Topology): Promise<Network> {
  await sweepRuns();
  const run = await claimRun();
  const { sites } = topology;
  const providers = [...new Set(sites.flatMap(({ uplinks }) => uplinks.map(({ provider }) => provider)))];
  const ns = (name: string) => namespaceName(run.id, name);
  const inside = (name: string, program: 'ip' | 'tc', lines: readonly string[]) => batch(ns(name), program, lines);
  const exec = async (name: string, argv: readonly string[]) =>
    (await execute('ip', ['netns', 'exec', ns(name), ...argv], { maxBuffer: 2 ** 26 })).stdout;

  const wiring = new Wiring({ topology, providers, folder: run.path, namespace: ns, inside, exec });

  const devices = (site: string, provider: string) =>
    [
      { name: site, device: provider },
      { name: provider, device: `s${sites.findIndex((other) => other.site === site) + 1}` },
    ] as const;

  const dropRules = (site: string, provider: string) => {
    const [, { device }] = devices(site, provider);
    const [p, i] = [providers.indexOf(provider) + 1, device.slice(1)];
    return [`pref 1 iif ${device} blackhole`, `pref 1 to 10.${100 + p}.${i}.0/30 blackhole`];
  };

  const network: Network = {
    run,
    namespace: ns,
    exec,
    // Not `ip netns exec`, which hides the control groups in /sys.
    spawn: (name, argv, options = {}) => spawn('nsenter', [`--net=/run/netns/${ns(name)}`, '--', ...argv], options),
    site(name) {
      const i = sites.findIndex(({ site }) => site === name) + 1;
      return {
        namespace: ns(name),
        lan: { bridge: 'lan0', subnet: `10.${i}.0.0/24`, gateway: `10.${i}.0.1`, mtu: LAN_MTU },
        endpoints: sites[i - 1]!.uplinks.map(({ provider }) => ({
          provider,
          address: `10.${100 + providers.indexOf(provider) + 1}.${i}.2`,
        })),
      };
    },
    // Drops the packets at the provider. The site's own device stays up, as if the path broke far away.
    async cut(site, provider) {
      await inside(
        provider,
        'ip',
        dropRules(site, provider).map((rule) => `rule add ${rule}`),
      );
    },
    async mend(site, provider) {
      await inside(
        provider,
        'ip',
        dropRules(site, provider).map((rule) => `rule del ${rule}`),
      );
    },
    async setRate(site, provider, rateBps) {
      for (const { name, device } of devices(site, provider)) await inside(name, 'tc', rateLines(device, rateBps));
    },
    async close() {
      wiring.end();
      await removeRun(run.id);
    },
  };
  try {
    await wiring.build();
  } catch (error) {
    await network.close();
    throw error;
  }
  return network;
}
