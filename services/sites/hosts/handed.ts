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
import type { Machines } from '#shared/hypervisor/hosts.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { OwnedRecords } from '#shared/store/owned-records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { handedKey, PLACE_RECORD } from '../place-records.ts';
import { whereaboutsBefore } from './before-handed.ts';
import { FalseClaims } from './claims.ts';
import type { RemoteHosts } from './remote-hosts.ts';
import { SwitchingMoves } from './switching.ts';
import { TakeOver } from './take-over.ts';

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
  options: HandedOptions,
): Machines {
  const handed = new HandedVms(inner.hosts, options);
  return {
    ...inner,
    hypervisor: handed.switching.recorded(inner.hypervisor),
    hosts: {
      ...inner.hosts,
      vmsAt: (site) => handed.vmsAt(site),
      startVm: (vm, site, spec) => handed.startVm(vm, site, spec),
      remove: (vm) => handed.remove(vm),
    },
    foreignVms: () => handed.claims.count,
    setLeader: (on, setAside) => handed.setLeader(on, setAside),
  };
}

/** The records, with all that follows from them. */
class HandedVms {
  readonly claims: FalseClaims;
  readonly switching: SwitchingMoves;
  readonly #hosts: RemoteHosts;
  readonly #options: HandedOptions;
  readonly #log: Log;
  readonly #records: OwnedRecords<{ site: string }>;
  readonly #takeOver: TakeOver;
  readonly #retired = new Set<string>();

  constructor(hosts: RemoteHosts, options: HandedOptions) {
    const { store, sites } = options;
    this.#hosts = hosts;
    this.#options = options;
    this.#log = serviceLog(options.log, 'agent');
    this.#records = new OwnedRecords({ store, kind: PLACE_RECORD, prefix: handedKey('') });
    this.claims = new FalseClaims(this.#log);
    this.switching = new SwitchingMoves(this.#log, async ({ vm, to }) => {
      if (this.#siteOf(vm) !== to) await this.#write(vm, to);
    });
    this.#takeOver = new TakeOver({
      log: this.#log,
      sites,
      handOver: async (vm, site) => {
        if (this.#siteOf(vm) !== undefined) return false;
        await this.#write(vm, site);
        return true;
      },
      start: (vm, site, spec) => this.startVm(vm, site, spec),
    });
  }

  async vmsAt(site: string): Promise<readonly string[] | undefined> {
    // A removed site is not asked: the VMs that were handed to it are stranded there.
    if (!this.#exists(site)) return this.#records.names(({ site: at }) => at === site);
    const instances = await this.#hosts.instancesAt(site);
    if (instances === undefined) return undefined;
    await this.#takeOver.answered(site, instances);
    this.claims.note(site, instances, (vm) => this.#siteOf(vm) === site || this.switching.has(vm, site));
    const here = instances.filter(({ state }) => state === 'running' || state === 'stopped');
    return here.filter(({ vm }) => this.#siteOf(vm) === site).map(({ vm }) => vm);
  }

  async startVm(vm: string, site: string, spec: VmSpec): Promise<void> {
    // A record that cannot be read leaves open where its VM runs, so it is not started. `status` shows the record.
    if (this.#records.isUnreadable(vm)) return;
    // No VM is handed to a site that does not exist.
    if (!this.#exists(site)) return this.#log.error({ vm, site }, 'a VM is not started: no such site has an agent');
    if (this.#siteOf(vm) === undefined && this.#takeOver.on) {
      const silent = await this.#takeOver.silentSites((other) => this.vmsAt(other));
      if (silent.length > 0 && !this.#options.remembers) {
        this.#takeOver.wait(vm, site, spec);
        const why = 'a VM is not started: sites that are silent may run it; it waits for them';
        this.#log.error({ vm, site, silent }, why);
        return;
      }
    }
    const known = this.#siteOf(vm);
    if (known !== undefined && known !== site) {
      const why = this.#retired.has(vm) ? 'is still to be removed there' : 'may run there';
      this.#log.warn({ vm, site, at: known }, `a VM is not started: by its record it ${why}`);
      return;
    }
    this.#retired.delete(vm);
    // Throws where it cannot be written: then the declaration is delivered again.
    if (known === undefined) await this.#write(vm, site);
    await this.#hosts.startVm(vm, site, spec);
  }

  async remove(vm: string): Promise<void> {
    this.#retired.add(vm);
    this.#takeOver.forgetVm(vm);
    await this.#hosts.remove(vm, async (site) => {
      if (this.#siteOf(vm) === site && this.#retired.has(vm)) await this.#delete(vm);
    });
    // Its site was removed and cannot be asked: the operator who retires the VM answers for it.
    const at = this.#siteOf(vm);
    if (at !== undefined && !this.#exists(at)) await this.#delete(vm);
  }

  async setLeader(on: boolean, setAside: SetAside): Promise<void> {
    this.#records.forget();
    this.claims.forget();
    this.switching.forget();
    this.#retired.clear();
    this.#takeOver.forget();
    this.#hosts.forget();
    if (!on) return;
    const { store, remembers } = this.#options;
    await this.#records.load(setAside);
    if (this.#records.size === 0) {
      for (const [vm, site] of await whereaboutsBefore(store)) await this.#write(vm, site);
    }
    this.#takeOver.on = !remembers || this.#records.size === 0;
  }

  #siteOf(vm: string): string | undefined {
    return this.#records.get(vm)?.site;
  }

  #exists(site: string): boolean {
    return this.#options.sites().includes(site);
  }

  #write(vm: string, site: string): Promise<void> {
    return this.#records.write(vm, { site });
  }

  async #delete(vm: string): Promise<void> {
    await this.#records.write(vm, undefined);
    this.#retired.delete(vm);
  }
}
