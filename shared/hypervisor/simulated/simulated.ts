import type { Clock } from '../../clock/clock.ts';
import { TagalongError } from '../../errors.ts';
import type { MoveModel } from '../../model/move-model.ts';
import type { NetworkModel } from '../../model/network.ts';
import type { Hypervisor } from '../hypervisor.ts';
import type { Faults } from './faults.ts';
import { FluidNetwork } from './fluid.ts';
import { instances as newInstances } from './instances.ts';
import { SimulatedMoves } from './moves.ts';
import { type SimulatedSite, SimulatedSites } from './sites.ts';

/**
 * A simulated hypervisor with its sites and VMs. It refuses orders with the codes `NO_SUCH_VM`, `VM_ELSEWHERE` (the VM does not run
 * at `from`, or runs at another site too), `NO_PATH`, `BAD_ORDER` and `PAST_CANCEL`. Pre-copy fails with `NOT_CONVERGING`. All
 * other failures are injected by {@link Faults}.
 */
export interface SimulatedHypervisor extends Hypervisor {
  /** Adds or changes a site. Transfers under way continue at the new rates. */
  declareSite(site: SimulatedSite): void;
  /** Removes a site. Its VMs continue to run, but it has no paths until it is declared again. */
  removeSite(site: string): void;
  /**
   * Starts a VM. If it already runs at another site, it then runs twice: callers prevent that, and tests have to be able to see it.
   * @throws TagalongError SITE_UNKNOWN if the site was not declared
   */
  startVm(vm: string, site: string): void;
  /** Removes a VM from all sites. The step of its move that is under way fails with `NO_SUCH_VM`. */
  remove(vm: string): void;
  /** The VMs that run at a site or are stopped there for a switch-over, in the order in which they came. */
  vmsAt(site: string): string[];
  /** The sites where the VM runs now: one; none during a switch-over; two only if a caller is at fault. */
  running(vm: string): string[];
}

/**
 * Simulates virtual machines, their hosts and the network between them, in memory. Only the clock drives it.
 * @param model durations of the steps, and rates of migrations over paths
 * @param network round-trip times between sites
 * @param progressEveryMs interval in ms of the progress reports of a copy; absent: only at the end of each round
 */
export function simulatedHypervisor({
  clock,
  model,
  network: networkModel,
  faults,
  progressEveryMs,
}: {
  readonly clock: Clock;
  readonly model: MoveModel;
  readonly network: NetworkModel;
  readonly faults?: Faults;
  readonly progressEveryMs?: number;
}): SimulatedHypervisor {
  const network = new FluidNetwork(clock, model);
  const instances = newInstances();
  const sites = new SimulatedSites(network, networkModel);
  const moves = new SimulatedMoves({ world: { clock, model, network, instances }, sites, faults, progressEveryMs });

  return {
    listen: (next) => moves.listen(next),
    begin: (step, move) => moves.begin(step, move),
    abort: (move) => moves.abort(move),
    inspect: (move) => moves.inspect(move),
    declareSite: (site) => sites.declare(site),
    removeSite: (site) => sites.remove(site),
    startVm(vm, site) {
      if (!sites.has(site)) {
        throw new TagalongError('SITE_UNKNOWN', `cannot place ${vm} at ${site}: declare the site first`);
      }
      moves.addVm(vm);
      instances.set(vm, site, 'running');
    },
    remove(vm) {
      moves.removeVm(vm);
      for (const site of sites.ever) instances.delete(vm, site);
    },
    vmsAt: (site) => instances.at(site),
    running: (vm) => instances.running(vm),
  };
}
