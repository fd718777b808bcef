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
import { makeCables } from './delay.ts';
import { looseEnds } from './netem.ts';
import { claimRun, namespaceName, type RunFolder, removeRun, sweepRuns } from './runs.ts';
import { queueMs, rateLines, shapeLines } from './shape.ts';
import { impairments, longestRttMs, type Topology } from './topology.ts';

const execute = promisify(execFile);

/** The MTU of a stretched LAN, in bytes: VXLAN takes 50 of 1500. */
const LAN_MTU = 1450;

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
  const { sites, clients } = topology;
  const providers = [...new Set(sites.flatMap(({ uplinks }) => uplinks.map(({ provider }) => provider)))];
  const ns = (name: string) => namespaceName(run.id, name);
  const inside = (name: string, program: 'ip' | 'tc', lines: readonly string[]) => batch(ns(name), program, lines);
  const exec = async (name: string, argv: readonly string[]) =>
    (await execute('ip', ['netns', 'exec', ns(name), ...argv], { maxBuffer: 2 ** 26 })).stdout;

  const impaired = impairments(topology);
  const keys = [...impaired.keys()];
  let endCables = () => {};

  /** A cable between two namespaces, a plain one unless `impaired` has its key. */
  const cable = async (key: string, a: { name: string; device: string; address: string }, b: typeof a) => {
    const made = keys.indexOf(key);
    if (made < 0) {
      await inside(a.name, 'ip', [`link add ${a.device} type veth peer name ${b.device} netns ${ns(b.name)}`]);
    } else {
      const ends = looseEnds(made);
      const moved = [a, b].map(({ name, device }, k) => `link set ${ends[k]} netns ${ns(name)} name ${device}`);
      await inside('delay', 'ip', moved);
    }
    // With loss, each packet is one segment; otherwise one loss would drop dozens of segments at once.
    const single = (impaired.get(key)?.lossPercent ?? 0) > 0 ? ' gso_max_segs 1' : '';
    for (const { name, device, address } of [a, b]) {
      await inside(name, 'ip', [`addr add ${address}/30 dev ${device}`, `link set ${device} up${single}`]);
    }
  };

  const build = async () => {
    if (impaired.size > 0) {
      await execute('ip', ['netns', 'add', ns('delay')]);
      endCables = await makeCables({ namespace: ns('delay'), folder: run.path }, [...impaired.values()]);
    }
    const names = [...sites.map(({ site }) => site), ...providers, ...clients.map(({ client }) => client), 'access'];
    const buffers = impaired.size > 0 ? bufferWords(topology) : [];
    for (const name of names) {
      await execute('ip', ['netns', 'add', ns(name)]);
      await inside(name, 'ip', ['link set lo up']);
      await exec(name, ['sysctl', '-qw', ...SYSCTLS, ...buffers]);
    }
    for (const [i, { site, uplinks }] of sites.entries()) {
      await cable(
        site,
        { name: site, device: 'access', address: `10.200.${i + 1}.2` },
        { name: 'access', device: `s${i + 1}`, address: `10.200.${i + 1}.1` },
      );
      await inside('access', 'ip', [`route add 10.${i + 1}.0.0/24 via 10.200.${i + 1}.2`]);
      await inside(site, 'ip', [
        `link add lan0 mtu ${LAN_MTU} type bridge forward_delay 0 stp_state 0`,
        `addr add 10.${i + 1}.0.1/24 dev lan0`,
        'link set lan0 up',
        `route add default via 10.200.${i + 1}.1`,
      ]);
      for (const uplink of uplinks) await connect(site, i + 1, uplink);
    }
    for (const [j, { client }] of clients.entries()) {
      await cable(
        client,
        { name: client, device: 'access', address: `10.201.${j + 1}.2` },
        { name: 'access', device: `c${j + 1}`, address: `10.201.${j + 1}.1` },
      );
      await inside(client, 'ip', [
        `route add default via 10.201.${j + 1}.1`,
        'mptcp limits set subflows 8 add_addr_accepted 8',
      ]);
    }
  };

  /** A site's uplink to a provider. */
  const connect = async (site: string, i: number, uplink: Topology['sites'][number]['uplinks'][number]) => {
    const { provider } = uplink;
    const p = providers.indexOf(provider) + 1;
    const [near, far] = [`10.${100 + p}.${i}.2`, `10.${100 + p}.${i}.1`];
    await cable(
      `${site}/${provider}`,
      { name: site, device: provider, address: near },
      { name: provider, device: `s${i}`, address: far },
    );
    const rttMs = longestRttMs(topology, site, provider);
    await inside(site, 'tc', shapeLines(provider, uplink, rttMs));
    await inside(provider, 'tc', shapeLines(`s${i}`, uplink, rttMs));
    await inside(site, 'ip', [
      `route add 10.${100 + p}.0.0/16 via ${far} dev ${provider}`,
      // Separates the paths: packets from a provider's address leave by that provider.
      `rule add from ${near} lookup ${100 + p}`,
      `route add default via ${far} dev ${provider} table ${100 + p}`,
    ]);
  };

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
      endCables();
      await removeRun(run.id);
    },
  };
  try {
    await build();
  } catch (error) {
    await network.close();
    throw error;
  }
  return network;
}

/** The limits that Linux sets by default. */
const LEAST_RECEIVE_BYTES = 6 * 2 ** 20;
const LEAST_SEND_BYTES = 4 * 2 ** 20;

const SYSCTLS = [
  'net.mptcp.enabled=1',
  // Reno is allowed in every namespace, and over short queues it fills four paths better than BBR (0.88 to 0.81).
  'net.ipv4.tcp_congestion_control=reno',
  'net.ipv4.ip_forward=1',
  'net.ipv4.conf.all.rp_filter=0',
  'net.ipv4.conf.default.rp_filter=0',
  'net.ipv6.conf.all.disable_ipv6=1',
  'net.ipv6.conf.default.disable_ipv6=1',
];

/**
 * `sysctl` words that make socket buffers as large as the bytes in flight on paths with delay. A receiver needs twice the bytes
 * that all paths of a site and their queues hold, because the kernel also counts its own packet structures. A sender has one
 * buffer a path. It should not be larger than necessary: its content has to be sent while the VM is paused.
 */
function bufferWords(topology: Topology): string[] {
  const held = topology.sites.map(({ site, uplinks }) =>
    uplinks.map(({ provider, rateBps }) => {
      const rttMs = longestRttMs(topology, site, provider);
      return (rateBps * (rttMs + queueMs(rttMs))) / 1000;
    }),
  );
  const receive = 2 * Math.max(...held.map((paths) => paths.reduce((sum, bytes) => sum + bytes, 0)));
  const send = 1.5 * Math.max(...held.flat());
  return [
    `net.ipv4.tcp_rmem=4096 131072 ${Math.ceil(Math.max(LEAST_RECEIVE_BYTES, receive))}`,
    `net.ipv4.tcp_wmem=4096 16384 ${Math.ceil(Math.max(LEAST_SEND_BYTES, send))}`,
  ];
}
