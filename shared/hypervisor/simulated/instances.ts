/**
 * The state of a VM's instance at a site. `running`; `paused`: stopped at the source for the last copy; `incoming`: waits for its
 * memory at the destination; `stopped`: remains at the source until it is released.
 */
export type InstanceState = 'running' | 'paused' | 'incoming' | 'stopped';

/** The instances of all VMs at all sites. It does not check that a VM runs only once: tests have to be able to see a violation. */
export interface Instances {
  set(vm: string, site: string, state: InstanceState): void;
  delete(vm: string, site: string): void;
  state(vm: string, site: string): InstanceState | undefined;
  /** The sites where the VM runs right now. */
  running(vm: string): string[];
  /** The VMs whose home a site is: they run there, or are paused there for a switch-over. */
  at(site: string): string[];
}

/** A VM's instance at a site. */
interface Instance {
  readonly site: string;
  state: InstanceState;
}

/** An empty table of instances. */
export function instances(): Instances {
  /** A VM has one or two instances; an array of them takes a fifth of the memory of a map. */
  const byVm = new Map<string, Instance[]>();
  /** The VMs of each home: an index, because every heartbeat of a site lists its VMs. */
  const homeOf = new Map<string, Set<string>>();

  const instanceOf = (vm: string, site: string) => byVm.get(vm)?.find((instance) => instance.site === site);
  const setHome = (vm: string, site: string, was: boolean, is: boolean) => {
    if (was === is) return;
    let vms = homeOf.get(site);
    if (vms === undefined) {
      vms = new Set();
      homeOf.set(site, vms);
    }
    if (is) vms.add(vm);
    else vms.delete(vm);
  };
  return {
    set(vm, site, state) {
      const known = instanceOf(vm, site);
      setHome(vm, site, isHome(known?.state), isHome(state));
      if (known) known.state = state;
      else if (byVm.has(vm)) byVm.get(vm)!.push({ site, state });
      else byVm.set(vm, [{ site, state }]);
    },
    delete(vm, site) {
      const known = instanceOf(vm, site);
      if (known === undefined) return;
      setHome(vm, site, isHome(known.state), false);
      const all = byVm.get(vm)!;
      if (all.length === 1) byVm.delete(vm);
      else all.splice(all.indexOf(known), 1);
    },
    state: (vm, site) => instanceOf(vm, site)?.state,
    running(vm) {
      const running: string[] = [];
      for (const { site, state } of byVm.get(vm) ?? NONE) if (state === 'running') running.push(site);
      return running;
    },
    at: (site) => [...(homeOf.get(site) ?? [])],
  };
}

const NONE: readonly Instance[] = [];

function isHome(state: InstanceState | undefined): boolean {
  return state === 'running' || state === 'paused';
}
