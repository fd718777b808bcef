/** The agent of one site: owns its QEMU processes, starts VMs, takes them in and gives them away. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentConfig } from '#shared/config/agent.ts';
import { TagalongError } from '#shared/errors.ts';
import type {
  InstanceStatus,
  LanAddress,
  Landing,
  OrderAnswer,
  OrderBody,
  OrderName,
  ReceiveOrder,
  SiteStatus,
} from '#shared/hypervisor/qemu/protocol.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { chooseAccel } from './accel.ts';
import { clearSockets, commandLine, qemuFiles } from './command-line.ts';
import { layOutCertificates } from './encryption.ts';
import { Instance } from './instance.ts';
import type { InstanceRecord, MoveRecord } from './instance-record.ts';
import { boundKeptDisks, takeKeptDisk } from './kept.ts';
import { plug, stretch } from './lan.ts';
import { createDisk, topLayer } from './layers.ts';
import type { InstanceContext } from './leaving.ts';
import { shortName } from './names.ts';
import { preparePaths } from './paths.ts';
import { end, findByArgument, startDetached } from './process.ts';
import { answerCalls, reachable } from './reach.ts';
import { Records } from './record.ts';

export interface QemuAgent {
  /** Finds the VMs again that an agent before this one started. */
  start(): Promise<void>;
  /** Lets go of everything; the VMs run on. */
  stop(): Promise<void>;
  status(): Promise<SiteStatus>;
  /** Carries out one order. @throws TagalongError what the order's instance says, NO_SUCH_VM */
  order<O extends OrderName>(vm: string, name: O, body: OrderBody<O>): Promise<OrderAnswer>;
  /** What is true of a VM here. */
  instance(vm: string): Promise<OrderAnswer>;
  /** Has the helper in a guest do something, and gives its answer. */
  guest(vm: string, words: readonly string[]): Promise<string>;
}

/** Addresses below are the network's own: gateways, hosts, proxies. */
const FIRST_ADDRESS = 10;

export function qemuAgent({ config: given, log: parent }: { config: AgentConfig; log: Log }): QemuAgent {
  const log = serviceLog(parent, 'agent');
  const records = new Records(given.stateDir);
  const instances = new Map<string, Instance>();
  /** One order at a time for each VM. */
  const queues = new Map<string, Promise<unknown>>();
  let config = given;
  let certificates: string | undefined;
  let callers: Awaited<ReturnType<typeof answerCalls>> | undefined;
  const context: InstanceContext = {
    get config() {
      return config;
    },
    get certificates() {
      return certificates;
    },
    records,
    log,
  };

  const inTurn = <T>(vm: string, work: () => Promise<T>): Promise<T> => {
    const turn = (queues.get(vm) ?? Promise.resolve()).then(work, work);
    queues.set(
      vm,
      turn.catch(() => {}),
    );
    return turn;
  };

  const launch = async (base: Omit<InstanceRecord, 'qemu'>, incoming: boolean): Promise<Instance> => {
    const { vm, machine, nic } = base;
    const folder = records.folder(vm);
    const files = qemuFiles(folder);
    const { diskBytes } = machine.spec;
    // What lies here is the disk of a VM that is awaited only where it was kept for it.
    const present = incoming && base.move?.landing.kept === undefined ? undefined : await topLayer(files);
    const how = { incoming, disk: present ?? files.disk };
    // What it cannot be started with is found before anything is made.
    const args = commandLine(config.qemu, { vm, machine, mtu: config.lan.mtu }, files, how);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await clearSockets(files);
    if (diskBytes > 0 && present === undefined) {
      await createDisk(files, diskBytes, incoming ? undefined : config.qemu.images[machine.image]!.disk);
    }
    await plug(config.lan, vm, nic);
    const record: InstanceRecord = { ...base, qemu: await startDetached(config.qemu.binary, args, files.log) };
    await records.save(record);
    const instance = new Instance(context, record);
    instances.set(vm, instance);
    return instance;
  };

  const lanAddress = (vm: string): LanAddress => {
    const [network, bits] = config.lan.subnet.split('/') as [string, string];
    const taken = new Set([...instances.values()].map(({ record }) => record.lan.address));
    const base = network.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
    const room = 2 ** (32 - Number(bits)) - 1 - FIRST_ADDRESS;
    // The same one each time it comes, where that is free.
    const wish = Number.parseInt(shortName(vm).slice(0, 6), 16) % room;
    for (let i = 0; i < room; i++) {
      const number = base + FIRST_ADDRESS + ((wish + i) % room);
      const address = [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
      if (!taken.has(address)) return { address, prefix: Number(bits), gateway: config.lan.gateway };
    }
    throw new TagalongError('ORDER_REFUSED', `${config.lan.subnet} has no address left for ${vm}`);
  };

  const start = async (vm: string, { machine }: OrderBody<'start'>) => {
    const present = instances.get(vm);
    if (present) {
      const { state } = await present.status();
      if (present.record.ownership !== 'home') throw new TagalongError('VM_ELSEWHERE', `${vm} is another site's`);
      // What died here is started again from its disk: nobody else has it.
      if (state !== 'dead') return;
      present.close();
    } else {
      // A disk that lies here without a record is none that it has now.
      await records.delete(vm);
    }
    const base = { vm, machine, nic: 0, lan: present?.record.lan ?? lanAddress(vm), ownership: 'home' } as const;
    const instance = await launch(base, false);
    if (!(await instance.adopt())) throw await instance.whyGone();
    log.info({ vm }, 'VM started');
  };

  /** This site's addresses on the paths of a move, the one first over which the source answers, and its address there. */
  const meet = async ({ from, sources, answerPort, stallMs }: ReceiveOrder) => {
    const hereOn = (provider: string) => config.endpoints.find((endpoint) => endpoint.provider === provider);
    const common = sources.filter(({ provider }) => hereOn(provider) !== undefined);
    if (common.length === 0) {
      const providers = sources.map(({ provider }) => provider).join(', ');
      throw new TagalongError('ORDER_REFUSED', `none of ${from}'s providers is here: ${providers}`);
    }
    const met = await reachable(common, answerPort, stallMs, () => false);
    return { endpoints: met.map(({ provider }) => hereOn(provider)!), remote: met[0]!.address };
  };

  const receive = async (vm: string, order: ReceiveOrder): Promise<Landing> => {
    const { migration, from, machine, nic, postCopy } = order;
    const { compression } = config.qemu;
    const present = instances.get(vm);
    if (present) {
      const { move, ownership } = present.record;
      // One that an agent before this one did not get as far as to wait is made anew, with a token of its own.
      if (ownership === 'incoming' && move?.migration === migration && (await present.isListening())) {
        return move.landing;
      }
      if (ownership === 'home') throw new TagalongError('VM_ELSEWHERE', `${vm} is at home here already`);
      // Left over from a move that is over: it was handed over, or given up.
      await (ownership === 'handed-over' ? present.release() : present.remove());
      instances.delete(vm);
    }
    if (postCopy && compression !== 'none') {
      const both = `hypervisor.postCopy does not go with qemu.compression ${compression} at ${config.site}`;
      throw new TagalongError('ORDER_REFUSED', `${both}, which takes several channels; choose one of the two`);
    }
    const { endpoints, remote } = await meet(order);
    const [memoryPort, diskPort] = await freePorts(2);
    const lan = lanAddress(vm);
    const token = randomBytes(9).toString('base64url').replace(/^[_-]/, 'x');
    const ports = { memoryPort: memoryPort!, diskPort: diskPort!, answerPort: callers!.port };
    const kept = await takeKeptDisk(qemuFiles(records.folder(vm)), machine.spec.diskBytes);
    const landing: Landing = {
      ...{ token, endpoints, ...ports, lan, postCopy, compression },
      ...(kept !== undefined && { kept }),
    };
    const move: MoveRecord = {
      ...{ migration, role: 'destination', peer: from, landing, done: [], unjoined: 0 },
      stretch: { remote, local: endpoints[0]!.address },
    };
    const instance = await launch({ vm, machine, nic, lan, ownership: 'incoming', move }, true);
    try {
      await stretch(config.lan, { vm, nic }, move);
      await instance.listen(landing);
    } catch (error) {
      instances.delete(vm);
      await instance.remove();
      throw error;
    }
    return landing;
  };

  const remove = async (vm: string) => {
    await instances.get(vm)?.remove();
    instances.delete(vm);
    // Also what is kept of one that is elsewhere.
    await records.delete(vm);
  };

  /** Ends what is left of a move at the destination (`discard`) or at the source (`release`). */
  const giveUp = async (vm: string, migration: string, ownership: InstanceRecord['ownership']) => {
    const present = instances.get(vm);
    if (present === undefined) return;
    const { record } = present;
    if (record.ownership === 'home' && record.arrivedBy === migration) {
      throw new TagalongError('PAST_CANCEL', `${vm} has been resumed here`);
    }
    // It may have come back, or be awaited, by a later move.
    if (record.move?.migration !== migration) return;
    if (record.ownership !== ownership) throw new TagalongError('ORDER_REFUSED', `${vm} is ${record.ownership} here`);
    await (ownership === 'handed-over' ? present.release() : present.remove());
    instances.delete(vm);
  };

  const carryOut = async (vm: string, name: OrderName, body: unknown): Promise<Partial<OrderAnswer> | undefined> => {
    records.refuseSetAside(vm);
    switch (name) {
      case 'start':
        return void (await start(vm, body as OrderBody<'start'>));
      case 'receive':
        return { landing: await receive(vm, body as ReceiveOrder) };
      case 'discard':
        return void (await giveUp(vm, (body as OrderBody<'discard'>).migration, 'incoming'));
      case 'release':
        return void (await giveUp(vm, (body as OrderBody<'release'>).migration, 'handed-over'));
      case 'remove':
        return void (await remove(vm));
      default: {
        const instance = instances.get(vm);
        if (instance === undefined) throw new TagalongError('NO_SUCH_VM', `no VM ${vm} at ${config.site}`);
        if (name === 'recover') {
          const [port] = await freePorts(1);
          await instance.recover(body as OrderBody<'recover'>, port!);
          return { port: port! };
        }
        await instance[name](body as never);
        return undefined;
      }
    }
  };

  const answer = async (vm: string): Promise<OrderAnswer> => {
    // Not "it is not here": somebody would have it run elsewhere.
    records.refuseSetAside(vm);
    const instance = await instances.get(vm)?.status();
    return { atMs: Date.now(), ...(instance && { instance }) };
  };

  return {
    async start() {
      config = { ...given, qemu: { ...given.qemu, accel: await chooseAccel(given.qemu) } };
      await mkdir(config.stateDir, { recursive: true, mode: 0o700 });
      if (config.qemu.encrypt) certificates = await layOutCertificates(config);
      await preparePaths(config);
      await boundKeptDisks(config.stateDir, config.keptDisksBytes);
      callers = await answerCalls();
      const known = await records.load();
      for (const why of records.setAside.values())
        log.error({ code: 'STORE_RECORD_UNREADABLE', why }, 'a VM was set aside');
      await endUnknown(given.stateDir, known, records.setAside);
      for (const record of known) {
        const instance = new Instance(context, record);
        instances.set(record.vm, instance);
        await instance.adopt();
        log.info({ vm: record.vm, ownership: record.ownership }, 'VM found again');
      }
      log.info({ site: config.site, accel: config.qemu.accel }, 'agent started');
    },
    async stop() {
      callers?.close();
      for (const instance of instances.values()) instance.close();
    },
    async status() {
      const all = await Promise.all([...instances.values()].map(statusOf));
      const accel = config.qemu.accel === 'kvm' ? 'kvm' : 'tcg';
      const { site, endpoints } = config;
      return { site, atMs: Date.now(), endpoints, answerPort: callers!.port, accel, instances: all };
    },
    async order(vm, name, body) {
      // Whoever is waiting for clients or for the guest is told at once, not when it is the abort's turn.
      if (name === 'abort' || name === 'discard' || name === 'remove') instances.get(vm)?.abandon();
      log.debug({ vm, order: name }, 'order');
      const more = await inTurn(vm, () => carryOut(vm, name, body));
      return { ...(await answer(vm)), ...more };
    },
    instance: answer,
    async guest(vm, words) {
      const instance = instances.get(vm);
      if (instance === undefined) throw new TagalongError('NO_SUCH_VM', `no VM ${vm} at ${config.site}`);
      return instance.guest(words);
    },
  };
}

/** How long the state of a whole site waits for one QEMU. Less than whoever asks waits for the site. */
const QEMU_MS = 2_000;
const SILENT = { home: 'stopped', incoming: 'receiving', 'handed-over': 'handed-over' } as const;

/** What is true of a VM; of one whose QEMU hangs, what is written down: it must not hide the other VMs of its site. */
async function statusOf(instance: Instance): Promise<InstanceStatus> {
  const { vm, machine, nic, lan, ownership, move } = instance.record;
  const silent: InstanceStatus = { vm, machine, nic, lan, state: SILENT[ownership], done: move?.done ?? [] };
  const late = sleep(QEMU_MS, silent, { ref: false });
  return Promise.race([instance.status().catch(() => silent), late]);
}

/** Ends what an agent started that ended before it had written it down: nobody would ever ask for it again. */
async function endUnknown(
  stateDir: string,
  known: readonly InstanceRecord[],
  setAside: ReadonlyMap<string, string>,
): Promise<void> {
  const monitor = `unix:${join(stateDir, '/')}`;
  const isMonitor = (word: string) => word.startsWith(monitor) && word.includes('/qmp.sock,');
  const isSetAside = (word: string) => [...setAside.keys()].some((folder) => word.startsWith(`unix:${folder}/`));
  const ours = await findByArgument((word) => isMonitor(word) && !isSetAside(word));
  for (const id of ours) {
    if (!known.some(({ qemu }) => qemu.pid === id.pid && qemu.startTicks === id.startTicks)) await end(id);
  }
}

/** Ports that nobody listens on at the moment. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '0.0.0.0', () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
