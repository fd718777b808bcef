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

  const homesAt = (site: string) => {
    let vms = homeOf.get(site);
    if (vms === undefined) {
      vms = new Set();
      homeOf.set(site, vms);
    }
    return vms;
  };
  const setHome = (vm: string, site: string, was: boolean, is: boolean) => {
    if (is && !was) homesAt(site).add(vm);
    if (was && !is) homesAt(site).delete(vm);
  };
  return {
    set(vm, site, state) {
      let sites = byVm.get(vm);
      if (sites === undefined) {
        sites = new Map();
        byVm.set(vm, sites);
      }
      setHome(vm, site, isHome(sites.get(site)), isHome(state));
      sites.set(site, state);
    },
    delete(vm, site) {
      const sites = byVm.get(vm);
      if (sites === undefined) return;
      setHome(vm, site, isHome(sites.get(site)), false);
      sites.delete(site);
      if (sites.size === 0) byVm.delete(vm);
    },
    state: (vm, site) => byVm.get(vm)?.get(site),
    running(vm) {
      const running: string[] = [];
      byVm.get(vm)?.forEach((state, site) => {
        if (state === 'running') running.push(site);
      });
      return running;
    },
    at: (site) => [...(homeOf.get(site) ?? [])],
  };
}

function isHome(state: InstanceState | undefined): boolean {
  return state === 'running' || state === 'paused';
}
