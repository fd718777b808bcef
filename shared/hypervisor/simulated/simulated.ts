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
import { fluidNetwork, type Way } from './fluid.ts';
import { instances as newInstances } from './instances.ts';
import { pause, resumeAtSource, STEPS, type StepEnd, wait } from './steps.ts';

/** A place and how it is connected. */
export interface SimulatedSite {
  readonly site: string;
  readonly lat: number;
  readonly lon: number;
  readonly uplinks: readonly Uplink[];
}

/**
 * Refuses with the codes `NO_SUCH_VM`, `VM_ELSEWHERE` (it does not run at `from`, or not only there), `NO_PATH`,
 * `BAD_ORDER` and `PAST_CANCEL`; gives memory up with `NOT_CONVERGING`; otherwise fails only as {@link Faults} say.
 */
export interface SimulatedHypervisor extends Hypervisor {
  /** A site, or what is new of it: transfers under way go on at the new rates. */
  declareSite(site: SimulatedSite): void;
  /** A site is no more: VMs that run there run on, and no path leads there until it is declared again. */
  removeSite(site: string): void;
  /**
   * A VM begins to run. Where it already runs elsewhere it then runs twice: that is not for the hypervisor to judge.
   * @throws TagalongError SITE_UNKNOWN where the site was not declared
   */
  place(vm: string, site: string): void;
  /** A VM is no more, wherever it was. The step of its move that is under way fails with `NO_SUCH_VM`. */
  remove(vm: string): void;
  /** The VMs a site has: they run there or are stopped for a switch-over, in the order they came. */
  vmsAt(site: string): string[];
  /** Every site where the VM runs at this moment: one, but none during a switch-over, and two if something is wrong. */
  running(vm: string): string[];
}

/** Of a VM that has not been moved. Never written to: most VMs of a large simulation never are. */
const NO_MOVES = new Map<string, ActiveMove>();

/** The steps that take long enough to be looked at. */
const COPIES: readonly Phase[] = ['announce', 'disk', 'memory'];

/** What two sites have between them. */
interface Between {
  readonly way: Way;
  readonly rttMs: number;
}

/**
 * Virtual machines, their hosts and the network between them, in memory, driven by a clock and nothing else.
 * @param model what the steps take and what migrations make of the paths' rates
 * @param network gives the round-trip times between sites
 * @param progressEveryMs how often a copy says how far it is, for those who look on; absent: at the end of each round only
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
  /** Removed ones too: VMs may still be there. */
  const everSites = new Set<string>();
  /** Made when first asked for, and anew after a site was declared anew. */
  const ways = new Map<string, Map<string, Between>>();
  /** The moves of each VM by id: the latest one, and those before it whose release is still to come. */
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

  /** The way from one site to another; undefined where one of them was not declared. */
  const wayBetween = (from: string, to: string): Between | undefined => {
    const known = ways.get(from)?.get(to);
    const [source, destination] = [sites.get(from), sites.get(to)];
    if (known || !source || !destination) return known;
    const way = network.way(
      pathsBetween(source, destination).map(({ id, provider }) => ({
        id,
        links: [`${from}/${provider}/out`, `${to}/${provider}/in`],
      })),
    );
    const between = { way, rttMs: siteRttMs(networkModel, distanceKm(source, destination)) };
    ways.set(from, (ways.get(from) ?? new Map()).set(to, between));
    return between;
  };

  /** The record of a move that begins; undefined where it was refused. */
  const admit = (move: Move): ActiveMove | undefined => {
    const between = wayBetween(move.from, move.to);
    const moves = movesOf.get(move.vm)!;
    const objected = objection(move, instances.running(move.vm), moves.values(), between?.way.length ?? 0);
    if (objected) {
      refuse(move, 'prepare', objected.code, objected.reason);
      return undefined;
    }
    for (const [id, { done }] of moves) if (done === 0 || done === PHASES.length) moves.delete(id);
    const active = activeMove(move, network.route(between!.way), between!.rttMs);
    if (moves === NO_MOVES) movesOf.set(move.vm, new Map([[move.id, active]]));
    else moves.set(move.id, active);
    return active;
  };

  /** Ends what is under way of a move, leaving the VM running where it was. */
  const stopStep = (active: ActiveMove) => {
    active.cancel?.();
    active.cancel = undefined;
    if (active.underWay === 'switch') resumeAtSource(world, active);
    active.underWay = undefined;
  };

  /** Says how far the step is, now and again and again until it ends. */
  const tellProgress = (step: Phase, active: ActiveMove, everyMs: number) => {
    const { id } = active.move;
    const { begun } = active;
    const tell = () => {
      if (active.underWay !== step || active.begun !== begun) return;
      const { bytes, bytesByPath, remainingBytes, rateBps } = network.look(active.route);
      const measured = { ...measuredOf(active), bytes, bytesByPath };
      listener({ kind: 'progress', id, step, measured, remainingBytes, rateBps });
      clock.at(clock.now() + everyMs, tell);
    };
    clock.at(clock.now(), tell);
  };

  const carryOut = (step: Phase, active: ActiveMove) => {
    const { id } = active.move;
    active.underWay = step;
    active.begun++;
    if (progressEveryMs !== undefined && COPIES.includes(step)) tellProgress(step, active, progressEveryMs);
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
      // Of a move that is no longer remembered, the VM itself says that it was made: nothing is left to release.
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
      // Of a move that is no longer remembered, the VM itself says whether it was made.
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
        network.setLink(`${site}/${provider}/out`, 0);
        network.setLink(`${site}/${provider}/in`, 0);
      }
      for (const { provider, rateBps } of uplinks) {
        network.setLink(`${site}/${provider}/out`, rateBps);
        network.setLink(`${site}/${provider}/in`, rateBps);
      }
      sites.set(site, declared);
      everSites.add(site);
      ways.clear();
    },

    removeSite(site) {
      for (const { provider } of sites.get(site)?.uplinks ?? []) {
        network.setLink(`${site}/${provider}/out`, 0);
        network.setLink(`${site}/${provider}/in`, 0);
      }
      sites.delete(site);
      ways.clear();
    },

    place(vm, site) {
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
