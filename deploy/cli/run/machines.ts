import { keptMachines } from '#services/sites/hosts/kept.ts';
import { qemuMachines } from '#services/sites/hosts/remote.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Machines } from '#shared/hypervisor/hosts.ts';
import type { Log } from '#shared/log.ts';
import type { Store } from '#shared/store/store.ts';

/** Creates the hypervisor that the configuration names. @throws TagalongError CONFIG_UNREADABLE */
export async function openMachines(config: Config, clock: Clock, store: Store, log: Log): Promise<Machines> {
  return config.hypervisor.kind === 'qemu' ? qemuMachines(config, store, log) : keptMachines(config, clock, store, log);
}
