/** The port of the hosts of all sites, on which VMs run. */
import type { SiteConfig } from '../config/schema.ts';
import type { VmSpec } from '../events/index.ts';
import type { SetAside } from '../store/set-aside.ts';
import type { Hypervisor } from './hypervisor.ts';

/** The hosts of all sites. */
export interface Hosts {
  /** The VMs that are at a site, by our records and by its answer; undefined where its agent does not answer. */
  vmsAt(site: string): readonly string[] | undefined | Promise<readonly string[] | undefined>;
  /** Starts a VM at a site. Does nothing for a VM that may run somewhere already by our records. */
  place(vm: string, site: string, spec: VmSpec): void | Promise<void>;
  /** Removes a VM, wherever it is. */
  remove(vm: string): void | Promise<void>;
  /** Adds a site, or changes one. VMs that were stranded there are managed again. */
  declare(site: SiteConfig): void | Promise<void>;
  /** Removes a site. Its VMs are left as they are, and nobody manages them. */
  withdraw(site: SiteConfig): void | Promise<void>;
}

/** The hosts, and the hypervisor that moves VMs between them. */
export interface Machines {
  readonly hypervisor: Hypervisor;
  readonly hosts: Hosts;
  /**
   * Says whether this process gives the orders from now on. Called before the first order.
   * @param setAside receives the stored places of VMs that cannot be read, so that `status` lists them
   */
  duty(on: boolean, setAside: SetAside): Promise<void>;
  /** How many running VMs the sites claim that were not handed to them; missing where no site is asked. */
  readonly foreignVms?: () => number;
  /** Closes the connections to the hosts; the VMs run on. */
  close(): void;
}
