/** The agent of one site. Owns the QEMU processes there and carries out orders, one at a time for each VM. */
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentConfig } from '#shared/config/agent.ts';
import type { InstanceStatus, OrderAnswer, SiteStatus } from '#shared/hypervisor/qemu/protocol.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { chooseAccel } from './accel.ts';
import { lendDevices } from './confinement.ts';
import { ControlGroups, RESOURCES } from './control-groups.ts';
import type { Instance } from './instance.ts';
import type { InstanceRecord } from './instance-record.ts';
import { boundKeptDisks } from './kept.ts';
import { checkOrder, checkVmName } from './orders.ts';
import { preparePaths } from './paths.ts';
import { end, findByArgument } from './process.ts';
import { answerCalls } from './reach.ts';
import { Records } from './record.ts';
import { SiteVms } from './site-vms.ts';

/** The agent of one site. */
export interface QemuAgent {
  /**
   * Adopts the VMs that an earlier agent started. Has to resolve before any other method is called.
   * @throws TagalongError MPTCP_UNAVAILABLE
   */
  start(): Promise<void>;
  /** Closes its monitors and listeners; the VMs continue to run. */
  stop(): Promise<void>;
  /** The site with all its VMs. A QEMU that does not answer within 2 s is shown as its record has it. */
  status(): Promise<SiteStatus>;
  /**
   * Carries out one order, after those that came before for the same VM.
   * @param body is checked against the schema of that order
   * @throws TagalongError EVENT_INVALID, NO_SUCH_VM, STORE_RECORD_UNREADABLE, and what refuses the order
   */
  order(vm: string, name: string, body: unknown): Promise<OrderAnswer>;
  /** The state of a VM here. @throws TagalongError STORE_RECORD_UNREADABLE */
  instance(vm: string): Promise<OrderAnswer>;
  /** Sends a request to the helper in a guest. @returns its answer. @throws TagalongError NO_SUCH_VM, GUEST_SILENT and others */
  guest(vm: string, words: readonly string[]): Promise<string>;
}

const NO_LIMITS =
  'no control group can be made for these resources, so VMs use them without limits; start the agent by its systemd unit, with systemd 254 or newer';

/** Orders that abandon all waits of a VM: for clients, its guest, another site. */
const ABANDONING = ['abort', 'discard', 'remove'];

/** Creates the agent; nothing is touched before `start`. */
export function qemuAgent({ config: given, log: parent }: { config: AgentConfig; log: Log }): QemuAgent {
  const log = serviceLog(parent, 'agent');
  const records = new Records(given.stateDir);
  /** The last order of each VM. */
  const queues = new Map<string, Promise<unknown>>();
  let config = given;
  let controlGroups = ControlGroups.none();
  let calls: Awaited<ReturnType<typeof answerCalls>> | undefined;
  /** Empty until `start`. */
  let vms = new SiteVms({ config, groups: [], controlGroups: ControlGroups.none(), records, log }, 0);

  const inTurn = <T>(vm: string, work: () => Promise<T>): Promise<T> => {
    const turn = (queues.get(vm) ?? Promise.resolve()).then(work, work);
    queues.set(
      vm,
      turn.catch(() => {}),
    );
    return turn;
  };
  const answer = async (vm: string): Promise<OrderAnswer> => {
    // Without this the answer would be that the VM is not here, and somebody would start it elsewhere.
    records.refuseSetAside(vm);
    const instance = await vms.find(vm)?.status();
    return { atMs: Date.now(), ...(instance && { instance }) };
  };

  return {
    async start() {
      const accel = await chooseAccel(given.qemu);
      config = { ...given, qemu: { ...given.qemu, accel } };
      const groups = await lendDevices(accel);
      await mkdir(config.stateDir, { recursive: true, mode: 0o711 });
      // QEMUs pass through it to the folders of their VMs, and cannot list it.
      await chmod(config.stateDir, 0o711);
      await preparePaths(config);
      await boundKeptDisks(config.stateDir, config.keptDisksBytes);
      calls = await answerCalls();
      controlGroups = await ControlGroups.find();
      vms = new SiteVms({ config, groups, controlGroups, records, log }, calls.port);
      const known = await records.load();
      for (const why of records.setAside.values()) {
        log.error({ code: 'STORE_RECORD_UNREADABLE', why }, 'a VM was set aside');
      }
      await endUnknown(config.stateDir, known, records.setAside);
      for (const record of known) {
        await vms.adopt(record);
        log.info({ vm: record.vm, ownership: record.ownership }, 'VM found again');
      }
      const { limited } = controlGroups;
      log.info({ site: config.site, accel: config.qemu.accel, limits: limited }, 'agent started');
      const missing = RESOURCES.filter((resource) => !limited.includes(resource));
      if (missing.length > 0) log.warn({ missing }, NO_LIMITS);
    },
    async stop() {
      calls?.close();
      for (const instance of vms.all()) instance.close();
    },
    async status() {
      const instances = await Promise.all(vms.all().map(statusOrRecord));
      const accel = config.qemu.accel === 'kvm' ? 'kvm' : 'tcg';
      const { site, endpoints } = config;
      const { limited: limits } = controlGroups;
      return { site, atMs: Date.now(), endpoints, answerPort: calls!.port, accel, limits: [...limits], instances };
    },
    async order(vm, name, body) {
      checkVmName(vm);
      const carryOut = checkOrder(name, body);
      // At once, not when it is this order's turn: the order before it may be the one that waits.
      if (ABANDONING.includes(name)) vms.find(vm)?.abandon();
      log.debug({ vm, order: name }, 'order');
      const result = await inTurn(vm, async () => {
        records.refuseSetAside(vm);
        return carryOut(vms, vm);
      });
      return { ...(await answer(vm)), ...result };
    },
    instance: answer,
    async guest(vm, words) {
      return vms.get(vm).guest(words);
    },
  };
}

/** How long the status of the whole site waits for one QEMU. Less than the client waits for the site. */
const QEMU_MS = 2_000;
const SILENT = { home: 'stopped', incoming: 'receiving', 'handed-over': 'handed-over' } as const;

/** The state of a VM; from its record alone if its QEMU hangs, so that it does not delay the status of the site. */
async function statusOrRecord(instance: Instance): Promise<InstanceStatus> {
  const { vm, machine, nic, lan, ownership, move } = instance.record;
  const silent: InstanceStatus = { vm, machine, nic, lan, state: SILENT[ownership], done: move?.done ?? [] };
  const late = sleep(QEMU_MS, silent, { ref: false });
  return Promise.race([instance.status().catch(() => silent), late]);
}

/** Ends QEMUs without a record: an earlier agent started them and crashed before it wrote the record. */
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
