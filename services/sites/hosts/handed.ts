/**
 * Records at which site each real VM may run. These records decide, not the claims of sites. The order to start a VM hands it to a
 * site, and so does a move that has switched over.
 *
 * Rule 1 depends on this record: it is written **before** the order to start the VM, and before a switch-over is reported. Between
 * the order to switch over and the record, the VM may run at either end. Both agents have recorded the owner, and the source keeps
 * its record until the order to release, which follows this record. So a VM with a record is started at that site only, and a VM
 * without a record runs nowhere. No site has to be queried, and a site that gives a wrong answer or none delays only its own VMs.
 *
 * A leader that finds no record at all takes over the VMs in the first answer of each site. If the store does not outlive the
 * process (`store: memory:`), a VM is started only after every site has answered.
 */

import type { VmSpec } from '#shared/events/index.ts';
import type { Hosts, Machines } from '#shared/hypervisor/hosts.ts';
import type { Hypervisor, Move, Report } from '#shared/hypervisor/hypervisor.ts';
import type { InstanceStatus } from '#shared/hypervisor/qemu/protocol.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { OwnedRecords } from '#shared/store/owned-records.ts';
import type { Store } from '#shared/store/store.ts';
import { handedKey, PLACE_RECORD } from '../place-records.ts';
import { whereaboutsBefore } from './before-handed.ts';
import type { RemoteHosts } from './remote-hosts.ts';

/** The most names of VMs in a line of the log. */
const MAX_NAMED = 8;
const NOT_STARTED = 'a VM could not be started; declare it again';

/** The dependencies of the records of handed VMs. */
export interface HandedOptions {
  readonly store: Store;
  readonly log: Log;
  /** True: the store outlives this process. */
  readonly remembers: boolean;
  /** The sites that exist. */
  readonly sites: () => readonly string[];
}

/**
 * Puts the records in front of the hosts and the hypervisor: each is written before the order or the report goes on. Owns the
 * records `agent/vm/<VM>`.
 */
export function handedMachines(
  inner: Omit<Machines, 'hosts' | 'setLeader'> & { readonly hosts: RemoteHosts },
  { store, log: parent, remembers, sites }: HandedOptions,
): Machines {
  const log = serviceLog(parent, 'agent');
  const handed = new OwnedRecords({ store, kind: PLACE_RECORD, prefix: handedKey('') });
  /** VMs that each site claims and that were not handed to it: some names, and how many there are. */
  const claimed = new Map<string, { readonly names: string; readonly count: number }>();
  /** Moves whose VM may be at either end. */
  const switching = new Map<string, Move>();
  const retired = new Set<string>();
  /** Whether the first answer of each site is taken over; and the sites that have answered. */
  let takesOver = false;
  const heard = new Set<string>();
  const hearing = new Map<string, Promise<void>>();
  /** Sites that were queried because a VM waits for them. They are not queried again: their next heartbeat counts. */
  const asked = new Set<string>();
  /** VMs that are started once all sites have answered. */
  const waiting = new Map<string, { readonly site: string; readonly spec: VmSpec }>();

  const write = (vm: string, site: string | undefined) => handed.write(vm, site === undefined ? undefined : { site });

  const takeOver = async (site: string, instances: readonly InstanceStatus[]) => {
    for (const { vm, state } of instances) {
      if (state === 'receiving' || handed.get(vm) !== undefined) continue;
      await write(vm, site);
      log.info({ vm, site }, 'took over a VM that runs at a site');
    }
    heard.add(site);
    if (sites().some((other) => !heard.has(other))) return;
    const all = [...waiting];
    waiting.clear();
    for (const [vm, { site: home, spec }] of all) {
      void Promise.resolve(hosts.startVm(vm, home, spec)).catch((err) => log.error({ vm, err }, NOT_STARTED));
    }
  };
  /** Logs and counts VMs that a site claims and that were not handed to it. Such a claim changes nothing about the VM. */
  const noteClaims = (site: string, instances: readonly InstanceStatus[]) => {
    const moves = [...switching.values()];
    const isOnTheWay = (vm: string) => moves.some((move) => move.vm === vm && (move.to === site || move.from === site));
    const running = instances.filter(({ state }) => state === 'running').map(({ vm }) => vm);
    const foreign = running.filter((vm) => handed.get(vm)?.site !== site && !isOnTheWay(vm));
    if (foreign.length === 0) return void claimed.delete(site);
    const vms = foreign.slice(0, MAX_NAMED);
    const isNew = claimed.get(site)?.names !== vms.join();
    claimed.set(site, { names: vms.join(), count: foreign.length });
    if (!isNew) return;
    const why = 'a site claims VMs that were not handed to it, and is not believed; look into that site';
    log.error({ event: 'foreign-vms', site, vms, count: foreign.length }, why);
  };

  const follow = (move: Move) => {
    for (const [id, { vm }] of switching) if (vm === move.vm) switching.delete(id);
    switching.set(move.id, move);
  };
  const arrived = async (move: Move, report: Report, tell: (report: Report) => void) => {
    try {
      if (handed.get(move.vm)?.site !== move.to) await write(move.vm, move.to);
      switching.delete(move.id);
      tell(report);
    } catch (err) {
      // The step is not reported, so the migrator inspects the move again later.
      log.error({ vm: move.vm, err }, 'the new site of a VM was not written down; the migrator asks again');
    }
  };
  const { hypervisor } = inner;
  const recorded: Hypervisor = {
    ...hypervisor,
    listen: (tell) =>
      hypervisor.listen((report) => {
        const move = switching.get(report.id);
        const isDone = report.kind === 'done' && report.step === 'switch';
        if (move && (isDone || (report.kind === 'inspected' && report.runsAt === move.to))) {
          void arrived(move, report, tell);
          return;
        }
        if (report.kind === 'aborted') switching.delete(report.id);
        tell(report);
      }),
    begin(step, move) {
      if (step === 'switch') follow(move);
      hypervisor.begin(step, move);
    },
    inspect(move) {
      follow(move);
      hypervisor.inspect(move);
    },
  };

  const vmsAt = async (site: string) => {
    // A removed site is not asked: the VMs that were handed to it are stranded there.
    if (!sites().includes(site)) return handed.names(({ site: at }) => at === site);
    const instances = await inner.hosts.instancesAt(site);
    if (instances === undefined) return undefined;
    if (takesOver && !heard.has(site)) {
      const taking = hearing.get(site) ?? takeOver(site, instances).finally(() => hearing.delete(site));
      hearing.set(site, taking);
      await taking;
    }
    noteClaims(site, instances);
    const here = instances.filter(({ state }) => state === 'running' || state === 'stopped');
    return here.filter(({ vm }) => handed.get(vm)?.site === site).map(({ vm }) => vm);
  };
  const hosts: Hosts = {
    ...inner.hosts,
    vmsAt,
    async startVm(vm, site, spec) {
      // A record that cannot be read leaves open where its VM runs, so it is not started. `status` shows the record.
      if (handed.isUnreadable(vm)) return;
      // No VM is handed to a site that does not exist.
      if (!sites().includes(site)) return log.error({ vm, site }, 'a VM is not started: no such site has an agent');
      if (handed.get(vm) === undefined && takesOver) {
        const unasked = sites().filter((other) => !heard.has(other) && !asked.has(other));
        for (const other of unasked) asked.add(other);
        await Promise.all(unasked.map(vmsAt));
        const silent = sites().filter((other) => !heard.has(other));
        if (silent.length > 0 && !remembers) {
          waiting.set(vm, { site, spec });
          log.error({ vm, site, silent }, 'a VM is not started: sites that are silent may run it; it waits for them');
          return;
        }
      }
      const known = handed.get(vm)?.site;
      if (known !== undefined && known !== site) {
        const why = retired.has(vm) ? 'is still to be removed there' : 'may run there';
        log.warn({ vm, site, at: known }, `a VM is not started: by its record it ${why}`);
        return;
      }
      retired.delete(vm);
      // Throws where it cannot be written: then the declaration is delivered again.
      if (known === undefined) await write(vm, site);
      await inner.hosts.startVm(vm, site, spec);
    },
    async remove(vm) {
      retired.add(vm);
      waiting.delete(vm);
      await inner.hosts.remove(vm, async (site) => {
        if (handed.get(vm)?.site !== site || !retired.has(vm)) return;
        await write(vm, undefined);
        retired.delete(vm);
      });
      // Its site was removed and cannot be asked: the operator who retires the VM answers for it.
      const at = handed.get(vm)?.site;
      if (at === undefined || sites().includes(at)) return;
      await write(vm, undefined);
      retired.delete(vm);
    },
  };
  return {
    ...inner,
    hypervisor: recorded,
    hosts,
    foreignVms: () => [...claimed.values()].reduce((sum, { count }) => sum + count, 0),
    async setLeader(on, setAside) {
      handed.forget();
      for (const known of [claimed, switching, retired, waiting, asked]) known.clear();
      inner.hosts.forget();
      if (!on) return;
      await handed.load(setAside);
      if (handed.size === 0) for (const [vm, site] of await whereaboutsBefore(store)) await write(vm, site);
      takesOver = !remembers || handed.size === 0;
    },
  };
}
