/**
 * Measures how many location events a second pass plausibility, session and policy on one core. Users move by random
 * waypoint at 1-30 m/s and report every 10 s. Positions are generated beforehand, so that the time is that of the engine
 * alone. Each ordered move ends at its predicted time.
 */
import { PERSONAL_VM } from '#services/replay/personal-vms.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import type { Data } from '#shared/events/index.ts';
import { Placement } from '#shared/policy/placement.ts';
import { seededRandom } from '#shared/random/random.ts';
import { atLeast, type BenchReport, type BenchRow, benchReport, median } from './bench.ts';
import { heapBytes } from './heap.ts';
import { transitionRows } from './transitions.ts';
import { makeWays, nearestSite, REGION_SITES, type Size, STEP_MS, siteReports } from './ways.ts';

const START_MS = Date.UTC(2026, 0, 1);
const REPEATS = 3;
const WANTED_PER_S = 500_000;

const REGION = { ...REGION_SITES, users: 10_000, steps: 100 };
const TEN_TIMES = { users: 100_000, sites: 10_000, spacingKm: 10, steps: 20 };
const METRO = { users: 10_000, sites: 1_000, spacingKm: 1.5, steps: 50 };

/** @param seed of the users' movements */
export function benchEngine(seed: number): BenchReport {
  // A first run of each size: otherwise the compiler would optimise for one size and slow down the other.
  measure({ ...REGION, steps: 20 }, seed);
  measure({ ...TEN_TIMES, users: 20_000, steps: 5 }, seed);
  const region = repeated(REGION, seed);
  const large = repeated(TEN_TIMES, seed);
  const metro = repeated(METRO, seed);
  const rows: BenchRow[] = [
    atLeast('10,000 VMs, 1,000 sites 10 km apart', region.perS, 'events/s', WANTED_PER_S),
    { metric: '  of them end in the quiet radius', value: region.quiet * 100, unit: '%' },
    { metric: '100,000 VMs, 10,000 sites 10 km apart', value: large.perS, unit: 'events/s' },
    atLeast('  compared with the smaller size', large.perS / region.perS, 'x', 0.5),
    { metric: '10,000 VMs, 1,000 sites 1.5 km apart', value: metro.perS, unit: 'events/s' },
    { metric: '  of them end in the quiet radius', value: metro.quiet * 100, unit: '%' },
    { metric: 'memory a VM with one user, 10,000 VMs', value: region.bytesPerVm, unit: 'B' },
    { metric: 'memory a VM with one user, 100,000 VMs', value: large.bytesPerVm, unit: 'B' },
    ...transitionRows(),
  ];
  return benchReport('engine', rows);
}

interface Measurement {
  readonly perS: number;
  readonly quiet: number;
  readonly bytesPerVm: number;
}

function repeated(size: Size, seed: number): Measurement {
  const runs = Array.from({ length: REPEATS }, () => measure(size, seed));
  return { ...runs[0]!, perS: median(runs.map(({ perS }) => perS)) };
}

function measure(size: Size, seed: number): Measurement {
  const ways = makeWays(size, seededRandom(seed));
  const names = Array.from({ length: size.users }, (_, i) => ({ vm: `vm-${i}`, user: `user-${i}` }));
  const before = heapBytes();
  const placement = populated(size, names, ways);
  const bytesPerVm = (heapBytes() - before) / size.users;
  const fix = { vm: '', user: '', atMs: 0, lat: 0, lon: 0 };
  const moves = new EndsOfMoves(placement);

  const begunMs = performance.now();
  for (let step = 1; step <= size.steps; step++) {
    for (let i = 0; i < size.users; i++) {
      fix.vm = names[i]!.vm;
      fix.user = names[i]!.user;
      // Users report one after the other within the step, as real users do.
      fix.atMs = START_MS + step * STEP_MS + Math.floor((i * STEP_MS) / size.users);
      fix.lat = ways[(step * size.users + i) * 2]!;
      fix.lon = ways[(step * size.users + i) * 2 + 1]!;
      placement.location(fix, fix.atMs);
    }
    moves.endBy(START_MS + (step + 1) * STEP_MS);
  }
  const tookS = (performance.now() - begunMs) / 1000;
  const events = size.steps * size.users;
  return { perS: events / tookS, quiet: (placement.counts.get('quiet') ?? 0) / events, bytesPerVm };
}

/** Creates sites, VMs and users. Each VM's home is the site where its user begins; each user has a first position. */
function populated(size: Size, names: readonly { vm: string; user: string }[], ways: Float64Array): Placement {
  const { network, move, policy, limits, ingest } = DEFAULT_CONFIG;
  const placement = new Placement({
    network,
    move,
    limits,
    plausibility: ingest.plausibility,
    policy: { ...policy, siteSilentMs: Number.POSITIVE_INFINITY },
  });
  for (const data of siteReports(size, START_MS)) placement.apply({ type: 'site.reported.v1', data }, START_MS);
  names.forEach(({ vm, user }, i) => {
    const [lat, lon] = [ways[i * 2]!, ways[i * 2 + 1]!];
    const home = nearestSite(size, lat, lon);
    placement.apply({ type: 'vm.declared.v1', data: { vm, atMs: START_MS, home, spec: PERSONAL_VM } }, START_MS);
    placement.apply({ type: 'session.attached.v1', data: { vm, user, atMs: START_MS, weight: 1 } }, START_MS);
    placement.location({ vm, user, atMs: START_MS, lat, lon }, START_MS);
  });
  placement.drain();
  return placement;
}

/** Ends each ordered move when it was predicted to end. */
class EndsOfMoves {
  readonly #placement: Placement;
  #underWay: Data<'placement.decided.v1'>[] = [];

  constructor(placement: Placement) {
    this.#placement = placement;
  }

  /** Once a step, as a service does once a batch: carries out the decisions, and ends the moves that are over by then. */
  endBy(atMs: number): void {
    this.#placement.advance(atMs);
    for (const decided of this.#placement.drain().decisions) {
      if (decided.verdict === 'move') this.#underWay.push(decided);
      if (decided.verdict === 'cancel') this.#end(decided.cancels!, decided.atMs, true);
    }
    for (const { decision, atMs: fromMs, prediction } of [...this.#underWay]) {
      const endMs = Math.round(fromMs + prediction!.durationMs);
      if (endMs <= atMs) this.#end(decision, endMs, false);
    }
  }

  #end(id: string, atMs: number, cancelled: boolean): void {
    const i = this.#underWay.findIndex(({ decision }) => decision === id);
    const [move] = this.#underWay.splice(i, 1);
    const { vm, from, to, prediction } = move!;
    const { durationMs, interruptionMs, bytes } = prediction!;
    const measured = { durationMs, interruptionMs, bytes, pauseMs: interruptionMs, bytesByPath: {}, rounds: 1 };
    const data = { migration: id, vm, from, to, atMs, figures: { ...measured, subflows: 2, degraded: [] } };
    this.#placement.apply(
      cancelled
        ? { type: 'migration.cancelled.v1', data: { ...data, phase: 'memory', by: 'policy' } }
        : { type: 'migration.completed.v1', data },
      atMs,
    );
  }
}
