import type { Hosts } from '#shared/hypervisor/hosts.ts';
import type { InstanceStatus } from '#shared/hypervisor/qemu/protocol.ts';

/** Hosts that carry out what they are told; whether a VM may run at a site is known to who tells them. */
export interface RemoteHosts extends Omit<Hosts, 'vmsAt' | 'remove'> {
  /** What a site says that it has; undefined where nobody there answers. */
  instancesAt(site: string): Promise<readonly InstanceStatus[] | undefined>;
  /** @param gone told of each site that has not got it any more, also later than this resolves */
  remove(vm: string, gone: (site: string) => Promise<void>): Promise<void>;
  /** Says no more to sites what they have not heard. */
  forget(): void;
}
