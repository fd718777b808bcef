/** A simulated hypervisor under a virtual clock, with functions that drive it. */

import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { PHASES, type Phase, type VmSpec } from '#shared/events/index.ts';
import type { Move, Report } from '#shared/hypervisor/hypervisor.ts';
import type { Faults } from '#shared/hypervisor/simulated/faults.ts';
import { type SimulatedHypervisor, simulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { DEFAULT_MOVE_MODEL, type MoveModel } from '#shared/model/move-model.ts';
import type { Uplink } from '#shared/model/paths.ts';

export interface World {
  readonly clock: VirtualClock;
  readonly hypervisor: SimulatedHypervisor;
  /** All reports so far, except progress, with their times. */
  readonly reports: { readonly atMs: number; readonly report: Report }[];
  /** The last progress of each move; some tests produce millions. */
  readonly progress: Map<string, Extract<Report, { kind: 'progress' }>>;
  /** Declares sites at one place, `rttMs` apart. */
  sites(uplinks: readonly Uplink[], ...names: string[]): void;
  /** Orders the steps of a move up to `last`, each when the one before is done. */
  drive(move: Move, last?: Phase): void;
  /** Lets time pass until no callback remains. */
  settle(): void;
  /** The reports of one move, as `done memory`, `failed prepare NO_PATH`, `aborted`. */
  reportsOf(id: string): string[];
}

export function world({
  model = DEFAULT_MOVE_MODEL,
  rttMs = 10,
  faults,
  startMs = 0,
  progressEveryMs,
}: {
  readonly model?: MoveModel;
  readonly rttMs?: number;
  readonly faults?: Faults;
  readonly startMs?: number;
  readonly progressEveryMs?: number;
} = {}): World {
  const clock = virtualClock(startMs);
  const network = { accessMs: 0, msPerKm: 0.01, detour: 1, transitMs: rttMs };
  const hypervisor = simulatedHypervisor({
    ...{ clock, model, network },
    ...(faults && { faults }),
    ...(progressEveryMs !== undefined && { progressEveryMs }),
  });
  const reports: World['reports'] = [];
  const progress: World['progress'] = new Map();
  const driven = new Map<string, { move: Move; last: Phase }>();

  hypervisor.listen((report) => {
    if (report.kind === 'progress') {
      progress.set(report.id, report);
      return;
    }
    reports.push({ atMs: clock.now(), report });
    const plan = driven.get(report.id);
    if (report.kind !== 'done' || plan === undefined) return;
    const next = PHASES.indexOf(report.step) + 1;
    if (next <= PHASES.indexOf(plan.last)) hypervisor.begin(PHASES[next]!, plan.move);
  });
  return {
    clock,
    hypervisor,
    reports,
    progress,
    sites(uplinks, ...names) {
      for (const site of names) hypervisor.declareSite({ site, lat: 0, lon: 0, uplinks });
    },
    drive(move, last = 'release') {
      driven.set(move.id, { move, last });
      hypervisor.begin('prepare', move);
    },
    settle() {
      while (clock.step(Number.POSITIVE_INFINITY));
    },
    reportsOf: (id) =>
      reports
        .map(({ report }) => report)
        .filter((report) => report.id === id)
        .map((report) => {
          if (report.kind === 'done') return `done ${report.step}`;
          return report.kind === 'failed' ? `failed ${report.step} ${report.code}` : report.kind;
        }),
  };
}

/** A VM of 1 GB on shared storage, which writes little. */
export const SMALL_VM: VmSpec = {
  ramBytes: 1e9,
  dirtyRateBps: 5e6,
  workingSetBytes: 5e7,
  diskBytes: 0,
  downtimeLimitMs: 300,
  targetRttMs: 20,
};

export function moveOf(vm: string, from: string, to: string, spec: VmSpec = SMALL_VM): Move {
  return { id: `${vm}:${from}>${to}`, vm, from, to, spec };
}

/** The time of a step's `done` report, in ms; undefined if there is none. */
export function doneAt(world: World, id: string, step: Phase): number | undefined {
  return world.reports.find(({ report }) => report.id === id && report.kind === 'done' && report.step === step)?.atMs;
}

/** The totals of the last report of a move. */
export function lastMeasured(world: World, id: string) {
  const last = world.reports.findLast(({ report }) => report.id === id);
  if (last === undefined) throw new Error(`nothing was reported of ${id}`);
  return last.report.measured;
}
