/** Replays onto separate processes: shows the progress, and prints a table with the time that the replay took. */
import { createWriteStream } from 'node:fs';
import type { PersonalVms } from '#services/replay/personal-vms.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Event } from '#shared/events/index.ts';
import { duration, instant } from '#shared/format.ts';
import type { Log } from '#shared/log.ts';
import { table } from '../output/table.ts';
import { createTally, type Tally } from '../output/tally.ts';
import { liveView } from './live.ts';
import { type LockstepProgress, namesOf, type Processes, playInLockstep } from './lockstep.ts';
import { stopRequest } from './signals.ts';

/** The input of a run, and its settings. */
export interface ProcessesRun {
  readonly title: string;
  readonly config: Config;
  readonly processes: Processes;
  readonly startMs: number;
  readonly speed: number;
  readonly batches: AsyncIterable<readonly Fix[]>;
  readonly personal?: PersonalVms;
  readonly observe?: (event: Event) => void;
  readonly json: boolean;
  readonly log: Log;
  /** Destination of the processes' logs: a file, or `-` for standard error. */
  readonly logPath?: string;
}

/** @throws the errors of playing in lockstep */
export async function playOnProcesses({ title, json, logPath, observe, ...run }: ProcessesRun): Promise<void> {
  const stop = stopRequest();
  const view = liveView(process.stderr);
  const tally = createTally();
  const childLog =
    logPath === undefined ? undefined : logPath === '-' ? process.stderr : createWriteStream(logPath, { flags: 'a' });
  let begunMs = performance.now();
  view.say(`${title}, as ${namesOf(run.processes).join(', ')}`);
  try {
    const played = await playInLockstep({
      ...run,
      ...(childLog && { childLog }),
      stopped: () => stop.aborted,
      observe(event) {
        observe?.(event);
        const move = tally.take(event);
        if (move !== undefined) view.move(move);
      },
      begun(progress) {
        view.say(`all are there after ${duration(performance.now() - begunMs)}\n`);
        begunMs = performance.now();
        view.follow(() => ({
          atMs: progress.nowMs,
          share: undefined,
          locations: progress.ingest.accepted,
          moves: tally.ended.size,
          underWay: tally.ordered.size - tally.ended.size,
        }));
      },
    });
    const result = resultOf(run.startMs, played, tally, performance.now() - begunMs);
    view.unfollow();
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : resultTable(result));
  } finally {
    view.unfollow();
  }
}

type Result = ReturnType<typeof resultOf>;

function resultOf(fromMs: number, { nowMs, ...played }: LockstepProgress, tally: Tally, tookMs: number) {
  const outcomes = { completed: 0, failed: 0, cancelled: 0 };
  for (const { outcome } of tally.ended.values()) outcomes[outcome]++;
  const moves = { ordered: tally.ordered.size, ...outcomes, underWay: tally.ordered.size - tally.ended.size };
  const { accepted, repeated } = played.ingest;
  const { instants, restarts } = played;
  return { fromMs, toMs: nowMs, accepted, repeated, moves, restarts, instants, tookMs: Math.round(tookMs) };
}

function resultTable({ fromMs, toMs, accepted, repeated, moves, restarts, instants, tookMs }: Result): string {
  const { ordered, completed, failed, cancelled, underWay } = moves;
  return table(
    [{ head: 'in all' }, { head: '' }],
    [
      ['time', `${instant(fromMs)}, ${duration(toMs - fromMs)}`],
      ['locations accepted', `${accepted}`],
      ['requests repeated', `${repeated}`],
      ['moves', `${ordered}: ${completed} completed, ${failed} failed, ${cancelled} cancelled, ${underWay} under way`],
      ['processes started again', `${restarts}`],
      ['instants', `${instants} in ${duration(tookMs)}, ${(tookMs / instants).toFixed(1)} ms each`],
    ],
  );
}
