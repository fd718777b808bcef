/** The namespaces of a test bed with their cables, addresses and routes; `network.ts` shows them as a picture. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { makeCables } from './delay.ts';
import { looseEnds } from './netem.ts';
import { queueMs, shapeLines } from './shape.ts';
import { impairments, longestRttMs, type Topology } from './topology.ts';

const execute = promisify(execFile);

/** The MTU of a stretched LAN, in bytes: VXLAN takes 50 of 1500. */
export const LAN_MTU = 1450;

/** The topology, and the means to build it. */
export interface WiringParts {
  readonly topology: Topology;
  /** Their order gives the numbers in the addresses. */
  readonly providers: readonly string[];
  /** Holds the sockets of cables with delay or loss. */
  readonly folder: string;
  /** The full name of a namespace. */
  readonly namespace: (name: string) => string;
  readonly inside: (name: string, program: 'ip' | 'tc', lines: readonly string[]) => Promise<void>;
  readonly exec: (name: string, argv: readonly string[]) => Promise<string>;
}

/** One end of a cable. */
interface End {
  readonly name: string;
  readonly device: string;
  readonly address: string;
}

/** Builds the namespaces; the run that owns them removes them. */
export class Wiring {
  readonly #parts: WiringParts;
  readonly #impaired: ReturnType<typeof impairments>;
  #endCables = () => {};

  constructor(parts: WiringParts) {
    this.#parts = parts;
    this.#impaired = impairments(parts.topology);
  }

  async build(): Promise<void> {
    const { topology, folder, namespace } = this.#parts;
    if (this.#impaired.size > 0) {
      await execute('ip', ['netns', 'add', namespace('delay')]);
      this.#endCables = await makeCables({ namespace: namespace('delay'), folder }, [...this.#impaired.values()]);
    }
    await this.#addNamespaces();
    for (const [i, site] of topology.sites.entries()) await this.#connectSite(i + 1, site);
    for (const [j, { client }] of topology.clients.entries()) await this.#connectClient(j + 1, client);
  }

  /** Ends the cables with delay or loss. */
  end(): void {
    this.#endCables();
  }

  async #addNamespaces(): Promise<void> {
    const { topology, providers, namespace, inside, exec } = this.#parts;
    const { sites, clients } = topology;
    const names = [...sites.map(({ site }) => site), ...providers, ...clients.map(({ client }) => client), 'access'];
    const buffers = this.#impaired.size > 0 ? bufferWords(topology) : [];
    for (const name of names) {
      await execute('ip', ['netns', 'add', namespace(name)]);
      await inside(name, 'ip', ['link set lo up']);
      await exec(name, ['sysctl', '-qw', ...SYSCTLS, ...buffers]);
    }
  }

  /** Connects a site with the access network and its providers, and makes its LAN. */
  async #connectSite(i: number, { site, uplinks }: Topology['sites'][number]): Promise<void> {
    const { inside } = this.#parts;
    await this.#cable(
      site,
      { name: site, device: 'access', address: `10.200.${i}.2` },
      { name: 'access', device: `s${i}`, address: `10.200.${i}.1` },
    );
    await inside('access', 'ip', [`route add 10.${i}.0.0/24 via 10.200.${i}.2`]);
    await inside(site, 'ip', [
      `link add lan0 mtu ${LAN_MTU} type bridge forward_delay 0 stp_state 0`,
      `addr add 10.${i}.0.1/24 dev lan0`,
      'link set lan0 up',
      `route add default via 10.200.${i}.1`,
    ]);
    for (const uplink of uplinks) await this.#connectProvider(site, i, uplink);
  }

  async #connectProvider(site: string, i: number, uplink: Topology['sites'][number]['uplinks'][number]): Promise<void> {
    const { topology, providers, inside } = this.#parts;
    const { provider } = uplink;
    const p = providers.indexOf(provider) + 1;
    const [near, far] = [`10.${100 + p}.${i}.2`, `10.${100 + p}.${i}.1`];
    await this.#cable(
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
  }

  async #connectClient(j: number, client: string): Promise<void> {
    await this.#cable(
      client,
      { name: client, device: 'access', address: `10.201.${j}.2` },
      { name: 'access', device: `c${j}`, address: `10.201.${j}.1` },
    );
    await this.#parts.inside(client, 'ip', [
      `route add default via 10.201.${j}.1`,
      'mptcp limits set subflows 8 add_addr_accepted 8',
    ]);
  }

  /** A cable between two namespaces, a plain one unless it has delay or loss. */
  async #cable(key: string, a: End, b: End): Promise<void> {
    const { namespace, inside } = this.#parts;
    const made = [...this.#impaired.keys()].indexOf(key);
    if (made < 0) {
      await inside(a.name, 'ip', [`link add ${a.device} type veth peer name ${b.device} netns ${namespace(b.name)}`]);
    } else {
      const ends = looseEnds(made);
      const moved = [a, b].map(({ name, device }, k) => `link set ${ends[k]} netns ${namespace(name)} name ${device}`);
      await inside('delay', 'ip', moved);
    }
    // With loss, each packet is one segment; otherwise one loss would drop dozens of segments at once.
    const single = (this.#impaired.get(key)?.lossPercent ?? 0) > 0 ? ' gso_max_segs 1' : '';
    for (const { name, device, address } of [a, b]) {
      await inside(name, 'ip', [`addr add ${address}/30 dev ${device}`, `link set ${device} up${single}`]);
    }
  }
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
