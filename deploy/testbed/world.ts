/** A test bed with everything on it: network, guest image, certificates, and an agent at each site. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { readCredentials } from '#services/sites/hosts/credentials.ts';
import { type Child, watchChild } from '#shared/child.ts';
import { until } from '#shared/clock/retry.ts';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import { type AgentClient, agentClient } from '#shared/hypervisor/qemu/client.ts';
import { DEFAULT_MOVE_MODEL, type MoveModel } from '#shared/model/move-model.ts';
import { type Network, openNetwork } from './network.ts';
import { startFailure } from './start-failure.ts';
import type { Topology } from './topology.ts';

const run = promisify(execFile);
const ROOT = new URL('../../', import.meta.url).pathname;
const MAIN = new URL('../cli/main.ts', import.meta.url).pathname;

export interface TestBed {
  readonly topology: Topology;
  readonly network: Network;
  /** The agents by site. */
  readonly agents: ReadonlyMap<string, AgentClient>;
  /** Settings that a configuration needs for this test bed. */
  readonly sites: readonly object[];
  readonly hypervisor: { readonly kind: 'qemu'; readonly tls: Record<'ca' | 'cert' | 'key', string> };
  /** The settings `move` of a configuration, which differ from those of the model's usual host. */
  readonly move: Pick<MoveModel, 'resumeMs'>;
  /** Kills an agent, as a crash does. Its VMs run on. */
  killAgent(site: string): Promise<void>;
  /** Starts a site's agent and waits until it accepts orders. */
  startAgent(site: string): Promise<void>;
  /** Kills a VM's QEMU at a site, as a crash does. */
  killQemu(site: string, vm: string): Promise<void>;
  /** Waits until the helper in a guest has its address. @returns the address */
  ready(site: string, vm: string): Promise<string>;
  close(): Promise<void>;
}

export interface TestBedOptions {
  /** Settings of all agents beyond the usual ones, for example MPTCP off for a comparison. */
  readonly qemu?: Partial<AgentConfig['qemu']>;
}

/**
 * The time for the device state and the first instruction under emulation, where QEMU has to translate every instruction anew
 * (measured: pauses of 106 to 231 ms with hardly any memory left to send).
 */
const EMULATED_RESUME_MS = 150;
/** The longest start of an agent. */
const AGENT_MS = 60_000;
/** The longest boot of a guest under software emulation. */
const BOOT_MS = 60_000;

/**
 * Builds a test bed; its `close` removes everything.
 * @throws TagalongError TESTBED_MISSING
 */
export async function openTestBed(topology: Topology, { qemu = {} }: TestBedOptions = {}): Promise<TestBed> {
  const image = await guestImage();
  const network = await openNetwork(topology);
  const bed = new AgentsOnNetwork(topology, network);
  try {
    await bed.start({ images: { default: image }, ...qemu });
  } catch (error) {
    await bed.close();
    throw error;
  }
  return bed;
}

class AgentsOnNetwork implements TestBed {
  readonly topology: Topology;
  readonly network: Network;
  readonly agents = new Map<string, AgentClient>();
  readonly sites: readonly object[];
  readonly hypervisor: TestBed['hypervisor'];
  readonly #path: string;
  readonly #processes = new Map<string, Child>();
  #resumeMs = DEFAULT_MOVE_MODEL.resumeMs;

  constructor(topology: Topology, network: Network) {
    this.topology = topology;
    this.network = network;
    this.#path = network.run.path;
    this.sites = topology.sites.map(({ uplinks, ...site }) => ({
      ...site,
      uplinks: uplinks.map(({ provider, rateBps }) => ({ provider, rateBps })),
      agent: `unix:${this.#socketOf(site.site)}`,
    }));
    this.hypervisor = { kind: 'qemu', tls: this.#tlsOf('control') };
  }

  get move(): TestBed['move'] {
    return { resumeMs: this.#resumeMs };
  }

  /** Makes the certificates, and starts an agent at each site. */
  async start(qemu: object): Promise<void> {
    const names = this.topology.sites.map(({ site }) => site);
    await run('sh', [`${ROOT}deploy/certificates.sh`, `${this.#path}/tls`, 'control', ...names]);
    const credentials = await readCredentials(this.hypervisor.tls);
    for (const site of names) {
      await this.#writeConfig(site, qemu);
      this.agents.set(site, agentClient(site, `unix:${this.#socketOf(site)}`, credentials));
    }
    await Promise.all(names.map((site) => this.startAgent(site)));
    const { accel } = await this.agents.get(names[0]!)!.status();
    if (accel === 'tcg') this.#resumeMs = EMULATED_RESUME_MS;
  }

  async startAgent(site: string): Promise<void> {
    const agentItself = [process.execPath, MAIN, 'agent', '--config', `${this.#path}/${site}.yaml`];
    const command = [...(await confinedAsUnderSystemd()), ...agentItself];
    const child = watchChild(this.network.spawn(site, command, { stdio: ['ignore', 'ignore', 'pipe'] }));
    this.#processes.set(site, child);
    const agent = this.agents.get(site)!;
    const failed = async () => {
      const why = await startFailure(child, `"tagalong doctor" checks this host for an agent`);
      return new TagalongError('AGENT_UNREACHABLE', `${site}: its agent did not start: ${why}`);
    };
    const answers = async () => {
      if (await agent.status().catch(() => undefined)) return true;
      if (!child.running) throw await failed();
      return false;
    };
    if (!(await until(answers, { everyMs: 50, withinMs: AGENT_MS }))) throw await failed();
  }

  async killAgent(site: string): Promise<void> {
    await this.#processes.get(site)!.kill();
  }

  async killQemu(site: string, vm: string): Promise<void> {
    const { stdout } = await run('ip', ['netns', 'pids', this.network.namespace(site)]);
    for (const pid of stdout.split('\n').filter(Boolean)) {
      const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
      if (words[words.indexOf('-name') + 1]?.startsWith(`${vm},`)) process.kill(Number(pid), 'SIGKILL');
    }
  }

  async ready(site: string, vm: string): Promise<string> {
    const agent = this.agents.get(site)!;
    let address: string | undefined;
    const hasAddress = async () => {
      const answer = await agent.guest(vm, ['addresses']).catch(() => '');
      address = /=([\d.]+)\//.exec(answer)?.[1];
      return address !== undefined;
    };
    await until(hasAddress, { everyMs: 100, withinMs: BOOT_MS });
    if (address !== undefined) return address;
    throw new TagalongError(
      'GUEST_SILENT',
      `${vm} did not start at ${site} in time; read the log of the agent of ${site}`,
    );
  }

  async close(): Promise<void> {
    for (const agent of this.agents.values()) agent.close();
    await this.network.close();
  }

  #socketOf(site: string): string {
    return `${this.#path}/${site}.sock`;
  }

  /** @param holder a site, or `control` */
  #tlsOf(holder: string): Record<'ca' | 'cert' | 'key', string> {
    const folder = `${this.#path}/tls`;
    return { ca: `${folder}/ca.pem`, cert: `${folder}/${holder}.pem`, key: `${folder}/${holder}.key` };
  }

  async #writeConfig(site: string, qemu: object): Promise<void> {
    const { lan, endpoints } = this.network.site(site);
    const config = {
      site,
      listen: { socket: this.#socketOf(site) },
      tls: this.#tlsOf(site),
      stateDir: `${this.#path}/${site}`,
      lan,
      endpoints,
      qemu,
      log: { level: 'info' },
    };
    await writeFile(`${this.#path}/${site}.yaml`, JSON.stringify(config));
  }
}

/** Skips the kernel's tests of its own ciphers, which take a tenth of a guest's boot under emulation. */
const APPEND = 'console=ttyS0 quiet cryptomgr.notests';

/** The beginning of a command that runs an agent with the capabilities that it has under systemd, and as strict about new ones and files. */
async function confinedAsUnderSystemd(): Promise<string[]> {
  const unit = await readFile(`${ROOT}deploy/systemd/tagalong-agent.service`, 'utf8');
  const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)![1]!;
  const names = value('CapabilityBoundingSet').split(' ');
  const set = ['-all', ...names.map((name) => `+${name.replace('CAP_', '').toLowerCase()}`)].join(',');
  const privileges = value('NoNewPrivileges') === 'true' ? ['--no-new-privs'] : [];
  const umask = ['sh', '-c', `umask ${value('UMask')} && exec "$@"`, 'sh'];
  return [...umask, 'setpriv', ...privileges, '--bounding-set', set, '--'];
}

/** Builds the guest image unless it exists. */
async function guestImage(): Promise<AgentConfig['qemu']['images'][string]> {
  const out = `${ROOT}build/guest`;
  await run('sh', [`${ROOT}deploy/guest/build.sh`, out], { maxBuffer: 2 ** 26 }).catch((error: { stderr?: string }) => {
    const last = error.stderr?.trim().split('\n').at(-1) ?? 'build.sh failed';
    throw new TagalongError(
      'TESTBED_MISSING',
      `the guest image could not be built: ${last}; check npm run prerequisites`,
    );
  });
  return { kernel: `${out}/kernel`, initrd: `${out}/initrd.img`, append: APPEND };
}
