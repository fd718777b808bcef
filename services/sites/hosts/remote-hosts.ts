import type { Hosts } from '#shared/hypervisor/hosts.ts';
import type { InstanceStatus } from '#shared/hypervisor/qemu/protocol.ts';

/** Hosts that execute orders. The caller ensures that a VM may run at a site. */
export interface RemoteHosts extends Omit<Hosts, 'vmsAt' | 'remove'> {
  /** The VMs that a site claims to have; undefined where its agent does not answer. */
  instancesAt(site: string): Promise<readonly InstanceStatus[] | undefined>;
  /** Removes a VM at all sites. @param gone called for each site that has removed it, also after this resolves */
  remove(vm: string, gone: (site: string) => Promise<void>): Promise<void>;
  /** Forgets the orders that did not reach their sites. */
  forget(): void;
}
