/**
 * Simulated VMs that outlive the process that simulates them: where each runs is in the store, and whoever takes duty begins
 * with that. A move under way is forgotten with its process, as if its hosts had lost it: it begins again from its first
 * step, or is known as made where the VM had switched over.
 */

import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Hosts, Machines } from '#shared/hypervisor/hosts.ts';
import type { Hypervisor, Move, Report } from '#shared/hypervisor/hypervisor.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { OwnedRecords } from '#shared/store/owned-records.ts';
import type { Store } from '#shared/store/store.ts';
import { PLACE_RECORD, placeKey } from '../place-records.ts';
import { simulatedMachines } from './simulated.ts';

const STRANDED =
  'a VM is stranded at a site that is not there; declare the site, or retire the VM (DELETE /v1/vms/NAME)';

/** Everything that runs VMs, simulated, for one of several processes. */
export function keptMachines(config: Config, clock: Clock, store: Store, parent: Log): Machines {
  const log = serviceLog(parent, 'agent');
  const { hypervisor, hosts } = simulatedMachines(config, clock, true);
  const records = new OwnedRecords({ store, kind: PLACE_RECORD, prefix: placeKey('') });
  const switching = new Map<string, Move>();
  /** All sites that were ever heard of here: where VMs may be, stranded ones too. */
  const named = new Set(config.sites.map(({ site }) => site));

  /** A VM has arrived: written before anybody is told, so that no later process finds it where it was. */
  const arrive = async (report: Report, tell: (report: Report) => void) => {
    const move = switching.get(report.id);
    switching.delete(report.id);
    try {
      if (move) await records.write(move.vm, { site: move.to });
      tell(report);
    } catch (err) {
      // Not told: the migrator asks when it has waited long enough, and is told then where the VM runs.
      log.error({ vm: move?.vm, err }, 'the place of a simulated VM was not written');
    }
  };
  const kept: Hypervisor = {
    ...hypervisor,
    listen: (tell) =>
      hypervisor.listen((report) => {
        if (report.kind === 'done' && report.step === 'switch') void arrive(report, tell);
        else tell(report);
      }),
    begin(step, move) {
      if (step === 'switch') switching.set(move.id, move);
      hypervisor.begin(step, move);
    },
  };
  const places: Hosts = {
    ...hosts,
    async place(vm, site) {
      // A record that cannot be read leaves open where its VM runs, so it is not started.
      if (records.get(vm) !== undefined || records.isUnreadable(vm)) return;
      await records.write(vm, { site });
      hosts.place(vm, site);
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
    hypervisor: kept,
    hosts: places,
    async duty(on, setAside) {
      // Off duty nothing goes on here: another process simulates these VMs.
      for (const site of named) for (const vm of hosts.vmsAt(site)) hosts.remove(vm);
      records.forget();
      switching.clear();
      if (!on) return;
      for (const [vm, { site }] of await records.load(setAside)) {
        named.add(site);
        hosts.place(vm, site);
      }
      for (const [vm, site] of hosts.stranded) log.error({ vm, site }, STRANDED);
    },
    close() {},
  };
}
