import { refuseWhereMissing } from '#deploy/testbed/needs.ts';
import { ride } from '#deploy/testbed/ride.ts';
import { sweepRuns } from '#deploy/testbed/runs.ts';
import { topologies } from '#deploy/testbed/topology.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import type { ProbeReport } from '#services/probe/probe.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import { openTrace } from '#services/replay/traces/trace.ts';
import { TagalongError } from '#shared/errors.ts';
import { bytes, counted, duration } from '#shared/format.ts';
import { createLog } from '#shared/log.ts';
import { table } from '../output/table.ts';
import { createTally, type EndedMove, TALLIED } from '../output/tally.ts';
import { liveView } from './live.ts';
import { stopRequest } from './signals.ts';

export interface TestBedCommandOptions {
  readonly topology?: string;
  readonly trace?: string;
  readonly speed: number;
  readonly json?: boolean;
  readonly log?: string;
  readonly sweep?: boolean;
}

const HERE = new URL('../../testbed/', import.meta.url).pathname;

/**
 * Builds a test bed, plays a ride on it, prints the costs of the moves, and removes everything.
 * @throws TagalongError TESTBED_MISSING, TOPOLOGY_INVALID, and the errors of reading the trace
 */
export async function runTestBed(options: TestBedCommandOptions): Promise<void> {
  const view = liveView(process.stderr);
  if (options.sweep) {
    const swept = await sweepRuns();
    view.say(swept.length === 0 ? 'Nothing was left behind.' : `Removed ${swept.join(', ')}.`);
    return;
  }
  const topology = await topologies.load(options.topology ?? `${HERE}three-sites.yaml`);
  const fixes = await fixesOf(options.trace ?? `${HERE}ride.csv`);
  await refuseWhereMissing();
  const stop = stopRequest();
  const tally = createTally();
  view.say(`Building ${topology.sites.map(({ site }) => site).join(', ')}.`);
  let bed: TestBed | undefined;
  try {
    bed = await openTestBed(topology);
    const report = await ride({
      bed,
      fixes,
      speed: options.speed,
      log: createLog((options.log ?? 'silent') as Parameters<typeof createLog>[0]),
      stopped: () => stop.aborted,
      async begun({ bus, url, transport }) {
        await bus.subscribe({ group: 'cli', types: TALLIED }, async (batch) => {
          for (const { event } of batch) {
            const move = tally.take(event);
            if (move !== undefined) view.move(move);
          }
        });
        view.say(`${url}  the client is connected over ${transport.transport}; the ride begins. Ctrl-C ends it.\n`);
      },
    });
    const moves = [...tally.ended.values()];
    if (options.json) process.stdout.write(`${JSON.stringify({ moves, client: report })}\n`);
    else process.stdout.write(`\n${movesTable(moves)}\n${clientTable(report)}`);
  } finally {
    await bed?.close();
  }
}

async function fixesOf(path: string): Promise<Fix[]> {
  const trace = await openTrace(path, { strict: false });
  const fixes: Fix[] = [];
  for await (const batch of trace.batches()) fixes.push(...batch);
  if (fixes.length > 0) return fixes;
  throw new TagalongError(
    'TRACE_UNREADABLE',
    trace.report.firstBad ?? `${path}: has no position; give a trace with at least one`,
  );
}

/** A table with the cost of each move beside its prediction. */
function movesTable(moves: readonly EndedMove[]): string {
  const predicted = (value: number | undefined, format: (value: number) => string) =>
    value === undefined ? '' : ` (${format(value)})`;
  return table(
    [
      { head: 'move' },
      { head: 'took (predicted)', align: 'right' },
      { head: 'pause', align: 'right' },
      { head: "client's gap", align: 'right' },
      { head: "QEMU's downtime", align: 'right' },
      { head: 'bytes (predicted)', align: 'right' },
      { head: 'subflows', align: 'right' },
      { head: '' },
    ],
    moves.map(({ from, to, outcome, figures, prediction, because }) => [
      `${from} → ${to}`,
      duration(figures.durationMs) + predicted(prediction?.durationMs, duration),
      duration(figures.pauseMs),
      figures.clientGapMs === undefined ? '< 50 ms' : duration(figures.clientGapMs),
      figures.hypervisorDowntimeMs === undefined ? '' : duration(figures.hypervisorDowntimeMs),
      bytes(figures.bytes) + predicted(prediction?.bytes, bytes),
      `${figures.subflows}`,
      outcome === 'completed' ? figures.degraded.join(', ') : `${outcome}: ${because}`,
    ]),
  );
}

function clientTable(report: ProbeReport): string {
  const { transport, connections, resets, longestGapMs, sentBytes, lostBytes, reorderedBytes, corruptedBytes } = report;
  return table(
    [{ head: "the client's connection" }, { head: '' }],
    [
      ['transport', `${transport}, ${counted(connections, 'connection')}, ${resets} lost`],
      ['time', duration(report.toMs - report.fromMs)],
      ['longest gap', duration(longestGapMs)],
      ['sent and echoed', bytes(sentBytes)],
      ['lost, reordered, corrupted', `${lostBytes}, ${reorderedBytes}, ${corruptedBytes} bytes`],
    ],
  );
}
