/**
 * What a VM's instance at a site is doing: `running`; `paused`, stopped at the source for the last copy; `incoming`,
 * waiting at the destination for its memory; `stopped`, left over at the source until it is released.
 */
export type InstanceState = 'running' | 'paused' | 'incoming' | 'stopped';

/** Which VM has an instance where. Keeps what it is told, right or wrong: that a VM runs once is for others to see to. */
export interface Instances {
  set(vm: string, site: string, state: InstanceState): void;
  delete(vm: string, site: string): void;
  state(vm: string, site: string): InstanceState | undefined;
  /** The sites where the VM runs right now. */
  running(vm: string): string[];
  /** The VMs that are at home at a site: they run there or are paused for a switch-over. */
  at(site: string): string[];
}

/** A world in which no VM runs yet. */
export function instances(): Instances {
  const byVm = new Map<string, Map<string, InstanceState>>();
  /** Kept beside, because a site's heartbeat asks for its VMs again and again. */
  const homeOf = new Map<string, Set<string>>();

  const setHome = (vm: string, site: string, home: boolean) => {
    const vms = homeOf.get(site) ?? new Set();
    homeOf.set(site, vms);
    if (home) vms.add(vm);
    else vms.delete(vm);
  };
  return {
    set(vm, site, state) {
      const sites = byVm.get(vm) ?? new Map<string, InstanceState>();
      byVm.set(vm, sites.set(site, state));
      setHome(vm, site, state === 'running' || state === 'paused');
    },
    delete(vm, site) {
      const sites = byVm.get(vm);
      sites?.delete(site);
      if (sites?.size === 0) byVm.delete(vm);
      setHome(vm, site, false);
    },
    state: (vm, site) => byVm.get(vm)?.get(site),
    running: (vm) => [...(byVm.get(vm) ?? [])].filter(([, state]) => state === 'running').map(([site]) => site),
    at: (site) => [...(homeOf.get(site) ?? [])],
  };
}
