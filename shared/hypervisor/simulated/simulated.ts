import type { Clock } from '../../clock/clock.ts';
import { TagalongError } from '../../errors.ts';
import { PHASES, type Phase } from '../../events/index.ts';
import { distanceKm } from '../../geo/distance.ts';
import { NOTHING_MEASURED } from '../../model/measured.ts';
import type { MoveModel } from '../../model/move-model.ts';
import { type NetworkModel, siteRttMs } from '../../model/network.ts';
import { pathsBetween, type Uplink } from '../../model/paths.ts';
import type { Hypervisor, Measured, Move, Report } from '../hypervisor.ts';
import { type ActiveMove, activeMove, isDone, measuredOf } from './active-move.ts';
import { objection } from './admission.ts';
import type { Faults } from './faults.ts';
import { fluidNetwork, type ResolvedPaths } from './fluid.ts';
import { instances as newInstances } from './instances.ts';
import { pause, resumeAtSource, STEPS, type StepEnd, wait } from './steps.ts';

/** A site: its name, its position, and its uplinks. */
export interface SimulatedSite {
  readonly site: string;
  readonly lat: number;
  readonly lon: number;
  readonly uplinks: readonly Uplink[];
}

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

/** The moves of a VM that has never moved. Shared and never changed: most VMs of a large simulation never move. */
const NO_MOVES = new Map<string, ActiveMove>();

/** The steps that take long enough for reports of their progress. */
const COPIES: readonly Phase[] = ['announce', 'disk', 'memory'];

/** The paths and the round-trip time from one site to another. */
interface Connection {
  readonly paths: ResolvedPaths;
  readonly rttMs: number;
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
  const network = fluidNetwork(clock, model);
  const instances = newInstances();
  const world = { clock, model, network, instances };
  const sites = new Map<string, SimulatedSite>();
  /** All sites that were ever declared: removed sites may still have VMs. */
  const everSites = new Set<string>();
  /** By source and destination; computed at first use, cleared when a site is declared or removed. */
  const connections = new Map<string, Map<string, Connection>>();
  /** The moves of each VM by id: the latest one, and earlier ones that are not released. */
  const movesOf = new Map<string, Map<string, ActiveMove>>();
  let listener: (report: Report) => void = () => {};

  const reportLater = (report: () => Report) => clock.at(clock.now(), () => listener(report()));
  const measuredNow = (active: ActiveMove | undefined): Measured => {
    network.settle();
    return active ? measuredOf(active) : NOTHING_MEASURED;
  };
  const refuse = ({ id, vm }: Move, step: Phase | 'abort', code: string, reason: string) => {
    const measured = measuredNow(movesOf.get(vm)?.get(id));
    reportLater(() => ({ kind: 'failed', id, step, code, reason, measured }));
  };

  /** Sets what a site's uplink carries each way, in bytes a second; 0: nothing gets through. */
  const setUplink = (site: string, provider: string, rateBps: number) => {
    network.setLink(`${site}/${provider}/out`, rateBps);
    network.setLink(`${site}/${provider}/in`, rateBps);
  };

  /** The connection from one site to another; undefined if one of them was not declared. */
  const connectionOf = (from: string, to: string): Connection | undefined => {
    const known = connections.get(from)?.get(to);
    if (known) return known;
    const [source, destination] = [sites.get(from), sites.get(to)];
    if (!source || !destination) return undefined;
    const paths = network.resolve(
      pathsBetween(source, destination).map(({ id, provider }) => ({
        id,
        links: [`${from}/${provider}/out`, `${to}/${provider}/in`],
      })),
    );
    const connection = { paths, rttMs: siteRttMs(networkModel, distanceKm(source, destination)) };
    connections.set(from, (connections.get(from) ?? new Map()).set(to, connection));
    return connection;
  };

  /** Admits a move to its first step; undefined if it was refused. */
  const admit = (move: Move): ActiveMove | undefined => {
    const connection = connectionOf(move.from, move.to);
    const moves = movesOf.get(move.vm)!;
    const objected = objection(move, instances.running(move.vm), moves.values(), connection?.paths.length ?? 0);
    if (objected) {
      refuse(move, 'prepare', objected.code, objected.reason);
      return undefined;
    }
    for (const [id, { done }] of moves) if (done === 0 || done === PHASES.length) moves.delete(id);
    const active = activeMove(move, network.route(connection!.paths), connection!.rttMs);
    if (moves === NO_MOVES) movesOf.set(move.vm, new Map([[move.id, active]]));
    else moves.set(move.id, active);
    return active;
  };

  /** Stops the step under way. The VM continues to run at its source. */
  const stopStep = (active: ActiveMove) => {
    active.cancel?.();
    active.cancel = undefined;
    if (active.underWay === 'switch') resumeAtSource(world, active);
    active.underWay = undefined;
  };

  /** Reports the progress of a step now, and at an interval until the step ends. */
  const reportProgress = (step: Phase, active: ActiveMove, everyMs: number) => {
    const { id } = active.move;
    const { begun } = active;
    const report = () => {
      if (active.underWay !== step || active.begun !== begun) return;
      const { bytes, bytesByPath, remainingBytes, rateBps } = network.progressOf(active.route);
      const measured = { ...measuredOf(active), bytes, bytesByPath };
      listener({ kind: 'progress', id, step, measured, remainingBytes, rateBps });
      clock.at(clock.now() + everyMs, report);
    };
    clock.at(clock.now(), report);
  };

  const carryOut = (step: Phase, active: ActiveMove) => {
    const { id } = active.move;
    active.underWay = step;
    active.begun++;
    if (progressEveryMs !== undefined && COPIES.includes(step)) reportProgress(step, active, progressEveryMs);
    const end: StepEnd = {
      done() {
        active.underWay = undefined;
        active.cancel = undefined;
        active.done++;
        listener({ kind: 'done', id, step, measured: measuredOf(active) });
      },
      failed(code, reason) {
        stopStep(active);
        listener({ kind: 'failed', id, step, code, reason, measured: measuredOf(active) });
      },
      progress(remainingBytes, rateBps) {
        listener({ kind: 'progress', id, step, measured: measuredOf(active), remainingBytes, rateBps });
      },
    };
    const fault = faults?.(active.move, step);
    if (fault?.kind === 'slow') active.slowdown = fault.factor;
    if (fault === undefined || fault.kind === 'slow') return STEPS[step](world, active, end);
    if (step === 'switch') pause(world, active);
    if (fault.kind === 'fail') wait(clock, active, fault.afterMs, () => end.failed(fault.code, fault.reason));
  };

  return {
    listen(next) {
      listener = next;
    },

    begin(step, move) {
      const { id, vm } = move;
      const moves = movesOf.get(vm);
      if (!moves) return refuse(move, step, 'NO_SUCH_VM', `no VM ${vm} was placed`);
      const active = moves.get(id);
      if (active?.underWay === step) return;
      if (active && isDone(active, step)) {
        reportLater(() => ({ kind: 'done', id, step, measured: measuredNow(active) }));
        return;
      }
      const next = PHASES[active?.done ?? 0];
      // The move is no longer stored, but its VM runs at the destination: nothing is left to release.
      if (!active && step === 'release' && instances.running(vm).includes(move.to)) {
        reportLater(() => ({ kind: 'done', id, step, measured: measuredNow(undefined) }));
        return;
      }
      if (active?.underWay) return refuse(move, step, 'BAD_ORDER', `${active.underWay} is still under way`);
      if (step !== next) return refuse(move, step, 'BAD_ORDER', `the next step of ${id} is ${next}, not ${step}`);
      const admitted = step === 'prepare' ? admit(move) : active;
      if (admitted) carryOut(step, admitted);
    },

    abort(move) {
      const { id, vm, from, to } = move;
      const active = movesOf.get(vm)?.get(id);
      // If the move is no longer stored, the site where the VM runs tells whether it switched over.
      const switched = active ? isDone(active, 'switch') : instances.running(vm).includes(to);
      if (switched) return refuse(move, 'abort', 'PAST_CANCEL', `${vm} has left ${from} for ${to}`);
      if (active) {
        stopStep(active);
        if (instances.state(vm, to) === 'incoming') instances.delete(vm, to);
        active.done = 0;
      }
      const measured = measuredNow(active);
      reportLater(() => ({ kind: 'aborted', id, measured }));
    },

    inspect({ id, vm }) {
      reportLater(() => {
        const active = movesOf.get(vm)?.get(id);
        return {
          kind: 'inspected',
          id,
          runsAt: instances.running(vm)[0],
          done: PHASES.slice(0, active?.done ?? 0),
          underWay: active?.underWay,
          measured: measuredNow(active),
        };
      });
    },

    declareSite(declared) {
      const { site, uplinks } = declared;
      for (const { provider } of sites.get(site)?.uplinks ?? []) {
        if (uplinks.some((uplink) => uplink.provider === provider)) continue;
        setUplink(site, provider, 0);
      }
      for (const { provider, rateBps } of uplinks) {
        setUplink(site, provider, rateBps);
      }
      sites.set(site, declared);
      everSites.add(site);
      connections.clear();
    },

    removeSite(site) {
      for (const { provider } of sites.get(site)?.uplinks ?? []) {
        setUplink(site, provider, 0);
      }
      sites.delete(site);
      connections.clear();
    },

    startVm(vm, site) {
      if (!sites.has(site)) {
        throw new TagalongError('SITE_UNKNOWN', `cannot place ${vm} at ${site}: declare the site first`);
      }
      if (!movesOf.has(vm)) movesOf.set(vm, NO_MOVES);
      instances.set(vm, site, 'running');
    },

    remove(vm) {
      for (const active of movesOf.get(vm)?.values() ?? []) {
        const { underWay: step, move } = active;
        stopStep(active);
        if (step) refuse(move, step, 'NO_SUCH_VM', `${vm} was removed`);
      }
      movesOf.delete(vm);
      for (const site of everSites) instances.delete(vm, site);
    },

    vmsAt: (site) => instances.at(site),
    running: (vm) => instances.running(vm),
  };
}
