/** The port of what runs VMs: the hosts of all sites, and whoever moves VMs between them. */
import type { SiteConfig } from '../config/schema.ts';
import type { VmSpec } from '../events/index.ts';
import type { SetAside } from '../store/set-aside.ts';
import type { Hypervisor } from './hypervisor.ts';

/** The hosts of all sites. */
export interface Hosts {
  /** The VMs that are at a site, by our records and by its word; undefined where nobody there answers. */
  vmsAt(site: string): readonly string[] | undefined | Promise<readonly string[] | undefined>;
  /** Has a VM run at a site. One that may run somewhere already, by our records, is left as it is. */
  place(vm: string, site: string, spec: VmSpec): void | Promise<void>;
  /** A VM is no more, wherever it was. */
  remove(vm: string): void | Promise<void>;
  /** A site is there, or what is new of it. VMs that were stranded there are looked after again. */
  declare(site: SiteConfig): void | Promise<void>;
  /** A site is no more. Its VMs are left as they are, and nobody looks after them. */
  withdraw(site: SiteConfig): void | Promise<void>;
}

/** What runs the VMs, and moves them. */
export interface Machines {
  readonly hypervisor: Hypervisor;
  readonly hosts: Hosts;
  /**
   * Says whether this process gives the orders from now on. Called before the first order.
   * @param setAside receives the stored places of VMs that cannot be read, so that `status` lists them
   */
  duty(on: boolean, setAside: SetAside): Promise<void>;
  /** How many VMs the sites say that they run and that were not handed to them; missing where no site is asked. */
  readonly foreignVms?: () => number;
  /** Lets go of the hosts; the VMs run on. */
  close(): void;
}
