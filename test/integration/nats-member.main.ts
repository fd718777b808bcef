/**
 * Runs one member of a group on NATS. Prints its partitions and the events that it has handled, one JSON object a line. Each event
 * has the time of the machine's monotonic clock, because a reader of several processes may get the lines in another order.
 */
import { writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { type NatsBus, natsBus } from '#shared/bus/nats/bus.ts';
import type { TagalongError } from '#shared/errors.ts';

const [servers, prefix, partitions] = process.argv.slice(2) as [string, string, string];

/** Prints synchronously, so that no line is lost when the process is killed afterwards. */
function say(...what: readonly unknown[]): void {
  let rest = Buffer.from(what.map((line) => `${JSON.stringify(line)}\n`).join(''));
  while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
}

/** Connects to the server, and tries again while it is unreachable. */
async function open(): Promise<NatsBus> {
  return natsBus({ servers, prefix, partitions: Number(partitions) }).catch(async (error: TagalongError) => {
    if (error.code !== 'BUS_UNREACHABLE') throw error;
    await pause(100);
    return open();
  });
}

const bus = await open();
await bus.subscribe(
  { group: 'g', types: ['location.reported.v1'], assigned: (mine) => say({ assigned: mine }) },
  async (batch) => {
    // A process that is killed often dies in this pause, with an unfinished batch.
    await pause(2);
    const atNs = Number(process.hrtime.bigint());
    say(...batch.map(({ event }, i) => ({ key: event.partitionkey, n: event.data.atMs, atNs: atNs + i })));
  },
);
process.once('SIGTERM', () => void bus.close());
