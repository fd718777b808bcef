/**
 * A member of a group as a process of its own. Prints what it is told and handles, one JSON object a line, with the time
 * of the machine's one monotonic clock: who reads from several processes may read them in another order.
 */
import { writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { type NatsBus, natsBus } from '#shared/bus/nats/bus.ts';
import type { TagalongError } from '#shared/errors.ts';

const [servers, prefix, partitions] = process.argv.slice(2) as [string, string, string];

/** Written when it returns, however slowly it is read: what a killed process still had to write, nobody would have seen. */
function say(...what: readonly unknown[]): void {
  let rest = Buffer.from(what.map((line) => `${JSON.stringify(line)}\n`).join(''));
  while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
}

/** As a supervisor would: a process that finds no server is started again. */
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
    // Long enough that a killed process has a batch in hand.
    await pause(2);
    const atNs = Number(process.hrtime.bigint());
    say(...batch.map(({ event }, i) => ({ key: event.partitionkey, n: event.data.atMs, atNs: atNs + i })));
  },
);
process.once('SIGTERM', () => void bus.close());
