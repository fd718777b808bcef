/**
 * Simulated VMs that outlive their process: the store holds the site of each, and the next leader loads it. A move in progress is
 * lost with its process. It begins again from its first step, unless the record shows that it has switched over.
 */
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Hosts, Machines } from '#shared/hypervisor/hosts.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { OwnedRecords } from '#shared/store/owned-records.ts';
import type { Store } from '#shared/store/store.ts';
import { PLACE_RECORD, placeKey } from '../place-records.ts';
import { simulatedMachines } from './simulated.ts';
import { SwitchingMoves } from './switching.ts';

const STRANDED =
  'a VM is stranded at a site that is not there; declare the site, or retire the VM (DELETE /v1/vms/NAME)';

/** Simulated hosts and hypervisor for one of several processes. Owns the records `simulated/vm/<VM>`. */
export function keptMachines(config: Config, clock: Clock, store: Store, parent: Log): Machines {
  const log = serviceLog(parent, 'agent');
  const { hypervisor, hosts } = simulatedMachines(config, clock, true);
  const records = new OwnedRecords({ store, kind: PLACE_RECORD, prefix: placeKey('') });
  const switching = new SwitchingMoves(log, async ({ vm, to }) => {
    if (records.get(vm)?.site !== to) await records.write(vm, { site: to });
  });
  /** All sites that this process has seen; VMs may be stranded at sites that are gone. */
  const named = new Set(config.sites.map(({ site }) => site));

  const places: Hosts = {
    ...hosts,
    async startVm(vm, site) {
      // A record that cannot be read leaves open where its VM runs, so it is not started.
      if (records.get(vm) !== undefined || records.isUnreadable(vm)) return;
      await records.write(vm, { site });
      hosts.startVm(vm, site);
    },
    async remove(vm) {
      if (records.get(vm) !== undefined) await records.write(vm, undefined);
      hosts.remove(vm);
    },
    declare(site) {
      named.add(site.site);
      hosts.declare(site);
    },
  };
  return {
    // No later process may start a VM at the site that it has left.
    hypervisor: switching.recorded(hypervisor),
    hosts: places,
    async setLeader(on, setAside) {
      // Another process simulates these VMs while this one is not the leader.
      for (const site of named) for (const vm of hosts.vmsAt(site)) hosts.remove(vm);
      records.forget();
      switching.forget();
      if (!on) return;
      for (const [vm, { site }] of await records.load(setAside)) {
        named.add(site);
        hosts.startVm(vm, site);
      }
      for (const [vm, site] of hosts.stranded) log.error({ vm, site }, STRANDED);
    },
    close() {},
  };
}
