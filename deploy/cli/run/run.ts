/** Runs all services in one process on a paced clock, with live progress and a closing table. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createPacedSystem, type PacedSystem } from '#services/process/paced-system.ts';
import type { PersonalVms } from '#services/replay/personal-vms.ts';
import { replay } from '#services/replay/replay.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import type { TraceReport } from '#services/replay/traces/report.ts';
import { simulatedMachines } from '#services/sites/hosts/simulated.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { type PacedClock, pacedClock } from '#shared/clock/paced.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Event } from '#shared/events/index.ts';
import { instant } from '#shared/format.ts';
import type { Log } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { closingTable } from '../output/closing.ts';
import { DECISIONS } from '../output/output.ts';
import { type Summary, summarize } from '../output/summary.ts';
import { createTally, TALLIED, type Tally } from '../output/tally.ts';
import { columnsOf, wrapped } from '../output/wrap.ts';
import { liveView, type Progress } from './live.ts';
import { serve } from './serve.ts';
import { aborted, stopRequest } from './signals.ts';

/** The input of a run, and its settings. */
export interface Run {
  /** One line that names the run. */
  readonly title: string;
  readonly config: Config;
  readonly startMs: number;
  /** Present only if known before the run. */
  readonly endMs?: number;
  /** Seconds of the run for each second of real time; Infinity: full speed. */
  readonly speed: number;
  readonly batches: AsyncIterable<readonly Fix[]> | Iterable<readonly Fix[]>;
  /** Gives a VM to each user, if the configuration declares none. */
  readonly personal?: PersonalVms;
  readonly trace?: TraceReport;
  /** True: end after the last position; false: serve until stopped. */
  readonly once: boolean;
  readonly json: boolean;
  readonly log: Log;
  /** Receives every decision and every migration event. */
  readonly observe?: (event: Event) => void;
}

/** The longest time, on the run's clock, that the run waits for moves under way after the last position. */
const LAST_MOVES_MS = 600_000;
/** The highest speed of the clock after the last position. It goes on, so that the services carry out operators' orders. */
const IDLE_SPEED = 60;
const IDLE_STEP_MS = 200;

/**
 * Plays a run, and prints its table when it ends or is stopped.
 * @throws TagalongError PORT_UNAVAILABLE, and the errors of reading the positions
 */
export async function play(run: Run): Promise<void> {
  const stop = stopRequest();
  const clock = pacedClock(run.startMs, run.speed);
  const bus = memoryBus({ partitions: run.config.bus.partitions });
  // A run at full speed is too fast for live progress.
  const machines = simulatedMachines(run.config, clock, Number.isFinite(run.speed));
  const system = createPacedSystem({ config: run.config, clock, bus, store: memoryStore(), log: run.log, machines });
  const view = liveView(process.stderr);
  const tally = createTally();
  try {
    const url = await serve(system, run.config.http);
    await bus.subscribe({ group: 'cli', types: TALLIED }, async (batch) => {
      for (const { event } of batch) {
        const move = tally.take(event);
        if (move !== undefined) view.move(move);
      }
    });
    const { observe } = run;
    if (observe !== undefined) {
      await bus.subscribe({ group: 'decisions', types: DECISIONS }, async (batch) => {
        for (const { event } of batch) observe(event);
      });
    }
    await system.start();
    const columns = columnsOf(process.stderr);
    view.say(wrapped(run.title, columns));
    view.say(`${wrapped(`${url}  from ${instant(run.startMs)}, ${pace(run.speed)}; Ctrl-C ends it`, columns)}\n`);
    view.follow(() => progressOf(run, clock, system, tally));
    await unlessStopped(stop, playThrough(run, clock, system, stop));
    view.unfollow();
    printSummary(run, clock, system, tally);
    if (run.once || stop.aborted) return;
    view.say(`\nThat was all; ${url} still answers. Ctrl-C ends it.`);
    await unlessStopped(stop, idle(run, clock, system, stop));
  } finally {
    view.unfollow();
    await system.stop();
  }
}

/** Plays the positions, then waits for the end of the moves under way. */
async function playThrough(run: Run, clock: PacedClock, system: PacedSystem, stop: AbortSignal): Promise<void> {
  const { ingest } = system;
  const settle = () => system.settle();
  const { personal, batches } = run;
  await replay({ clock, ingest, settle, stopped: () => stop.aborted, ...(personal && { personal }) }, batches);
  const lastMs = clock.now() + LAST_MOVES_MS;
  while (!stop.aborted && clock.now() < lastMs && system.migrator.status().length > 0) {
    await clock.paceTo(clock.now() + 1000, settle);
  }
}

async function idle({ speed }: Run, clock: PacedClock, system: PacedSystem, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    // A paced clock waits by itself, except at full speed.
    if (speed === Number.POSITIVE_INFINITY) await sleep(IDLE_STEP_MS);
    await clock.paceTo(clock.now() + IDLE_STEP_MS * Math.min(speed, IDLE_SPEED), () => system.settle());
  }
}

/** Waits for the end of the work or for the stop signal: after it, work that waits for a far instant need not end. */
async function unlessStopped(stop: AbortSignal, work: Promise<void>): Promise<void> {
  const unlessLate = work.catch((error) => {
    // The remaining work would fail because the services are stopping.
    if (!stop.aborted) throw error;
  });
  await Promise.race([unlessLate, aborted(stop)]);
}

function progressOf({ startMs, endMs }: Run, clock: PacedClock, { ingest }: PacedSystem, tally: Tally): Progress {
  const atMs = clock.now();
  const { accepted, unattached } = ingest.counts;
  return {
    atMs,
    share: endMs === undefined ? undefined : Math.min(1, (atMs - startMs) / (endMs - startMs)),
    locations: accepted + unattached,
    moves: tally.ended.size,
    underWay: tally.ordered.size - tally.ended.size,
  };
}

function printSummary({ startMs, trace, json }: Run, clock: PacedClock, system: PacedSystem, tally: Tally): void {
  const summary: Summary = summarize({
    fromMs: startMs,
    toMs: clock.now(),
    tally,
    taken: system.ingest.counts,
    judged: system.placement.counts,
    sites: system.placement.status().sites,
    ...(trace && { trace }),
  });
  process.stdout.write(json ? `${JSON.stringify(summary)}\n` : closingTable(summary));
}

function pace(speed: number): string {
  if (speed === Number.POSITIVE_INFINITY) return 'as fast as it goes';
  return speed === 1 ? 'as fast as the clock' : `${speed} times as fast as the clock`;
}
