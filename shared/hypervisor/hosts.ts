/** The port of the hosts of all sites, on which VMs run. */
import type { SiteConfig } from '../config/schema.ts';
import type { VmSpec } from '../events/index.ts';
import type { SetAside } from '../store/set-aside.ts';
import type { Hypervisor } from './hypervisor.ts';

/** The hosts of all sites. */
export interface Hosts {
  /** The VMs at a site that our records assign to it and that its agent confirms; undefined where its agent does not answer. */
  vmsAt(site: string): readonly string[] | undefined | Promise<readonly string[] | undefined>;
  /** Starts a VM at a site. Does nothing if our records say that the VM may already run at a site. */
  startVm(vm: string, site: string, spec: VmSpec): void | Promise<void>;
  /** Removes a VM, wherever it is. */
  remove(vm: string): void | Promise<void>;
  /** Adds or changes a site. VMs that were left at it when it was removed are managed again. */
  declare(site: SiteConfig): void | Promise<void>;
  /** Removes a site. Its VMs stay as they are and are no longer managed. */
  withdraw(site: SiteConfig): void | Promise<void>;
}

/** The hosts, and the hypervisor that moves VMs between them. */
export interface Machines {
  readonly hypervisor: Hypervisor;
  readonly hosts: Hosts;
  /**
   * Makes this process the leader (true) or a standby (false). Only the leader gives orders. Called before the first order.
   * @param setAside collects the records of VMs that cannot be read, so that `status` lists them
   */
  setLeader(isLeader: boolean, setAside: SetAside): Promise<void>;
  /** The number of running VMs that sites report without an assignment to them; absent if sites have no agents. */
  readonly foreignVms?: () => number;
  /** Closes the connections to the hosts. The VMs continue to run. */
  close(): void;
}
