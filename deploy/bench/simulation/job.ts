/** Measures the speed and the memory of a simulation of one size, under one policy. */
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import type { VmSpec } from '#shared/events/index.ts';
import { type RunResult, run } from '#simulations/engine.ts';
import type { ScenarioVm } from '#simulations/scenarios/scenario.ts';
import { median } from '../bench.ts';
import { heapBytes } from '../heap.ts';
import { batchesOf, type Movement, movementOf, nearestSites, type Source } from './movement.ts';

/** The job to measure. JSON. */
export interface Job {
  readonly source: Source;
  readonly policy: string;
  /** Consecutive runs; the first includes the compilation. */
  readonly runs: number;
  /** Warm-up runs, which the median leaves out. */
  readonly warmUps: number;
}

/** The result as JSON. A user-step is one user's position at one step, with everything that follows from it. */
export interface Measured {
  readonly userSteps: number;
  /** User-steps a second of processor time, summed over all threads: the speed of one core. */
  readonly perCpuS: number;
  /** User-steps a second of real time. */
  readonly perS: number;
  /** User-steps a second of real time in the first run. */
  readonly firstPerS: number;
  readonly peakRssBytes: number;
  /** Growth of the memory in use during the last run, from a tenth of its steps to its end. */
  readonly heapGrowthBytes: number;
  readonly moves: number;
  readonly meanMoveMs: number;
  /** Share of the steps at which a user's nearest site changes. */
  readonly nearestChanges: number;
  readonly statedChanges?: number;
}

/** The VM of the job that other simulators were measured with: one service a user, 250 MB that do not change during a move. */
const VM: VmSpec = {
  ramBytes: 250_000_000,
  dirtyRateBps: 0,
  workingSetBytes: 0,
  diskBytes: 0,
  downtimeLimitMs: 300,
  targetRttMs: 10,
};

/** @throws the errors of reading recorded movements */
export async function measureJob({ source, policy, runs, warmUps }: Job): Promise<Measured> {
  const movement = await movementOf(source);
  const nearest = nearestSites(movement);
  const vms = vmsOf(movement, nearest);
  const rounds: Round[] = [];
  for (let i = 0; i < runs; i++) rounds.push(await round(movement, vms, policy));
  const warm = rounds.slice(warmUps);
  const { result, heapGrowthBytes } = rounds.at(-1)!;
  return {
    userSteps: movement.users.length * movement.steps,
    perCpuS: median(warm.map(({ perCpuS }) => perCpuS)),
    perS: median(warm.map(({ perS }) => perS)),
    firstPerS: rounds[0]!.perS,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
    heapGrowthBytes,
    moves: result.migrations.completed,
    meanMoveMs: result.migrations.durationMs.mean,
    nearestChanges: changesOf(movement, nearest),
    ...(movement.statedChanges !== undefined && { statedChanges: movement.statedChanges }),
  };
}

/** The VM of each user; its home is the site where its user begins. They are made as they are declared. */
function vmsOf({ users, sites }: Movement, nearest: Int32Array): Iterable<ScenarioVm> {
  return {
    *[Symbol.iterator]() {
      for (const [i, user] of users.entries()) {
        yield { vm: `vm-${user}`, home: sites[nearest[i]!]!.site, spec: VM, sessions: [{ user, weight: 1 }] };
      }
    },
  };
}

function changesOf({ users }: Movement, nearest: Int32Array): number {
  let changes = 0;
  for (let i = users.length; i < nearest.length; i++) if (nearest[i] !== nearest[i - users.length]) changes++;
  return changes;
}

interface Round {
  readonly result: RunResult;
  readonly perS: number;
  readonly perCpuS: number;
  readonly heapGrowthBytes: number;
}

/**
 * Times one run without the generation of its positions. The generation is timed alone and subtracted, because reading the
 * processor time around each batch would cost a tenth of the measured time.
 */
async function round(movement: Movement, vms: Iterable<ScenarioVm>, policy: string): Promise<Round> {
  const making = new Stopwatch();
  making.start();
  for (const _ of batchesOf(movement));
  making.stop();
  const heap: number[] = [];
  const weighing = new Stopwatch();
  const whole = new Stopwatch();
  whole.start();
  const result = await run({
    config: { ...DEFAULT_CONFIG, policy: { ...DEFAULT_CONFIG.policy, name: policy } },
    sites: movement.sites,
    vms,
    batches: weighed(movement, weighing, heap),
  });
  whole.stop();
  const userSteps = movement.users.length * movement.steps;
  return {
    result,
    perS: (userSteps / (whole.wallMs - making.wallMs - weighing.wallMs)) * 1000,
    perCpuS: (userSteps / (whole.cpuMs - making.cpuMs - weighing.cpuMs)) * 1000,
    heapGrowthBytes: heap[1]! - heap[0]!,
  };
}

/** The batches. Measures the memory in use after a tenth of them and at the end, and the time that this measurement takes. */
function* weighed(movement: Movement, weighing: Stopwatch, heap: number[]) {
  const tenth = (movement.users.length * movement.steps) / 10;
  let made = 0;
  const weigh = () => {
    weighing.start();
    heap.push(heapBytes());
    weighing.stop();
  };
  for (const batch of batchesOf(movement)) {
    made += batch.length;
    yield batch;
    if (heap.length === 0 && made >= tenth) weigh();
  }
  weigh();
}

/** Adds up durations. */
class Stopwatch {
  wallMs = 0;
  cpuMs = 0;

  start(): void {
    this.wallMs -= performance.now();
    this.cpuMs -= cpuMs();
  }

  stop(): void {
    this.wallMs += performance.now();
    this.cpuMs += cpuMs();
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
