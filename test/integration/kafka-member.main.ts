/** Runs one member of a group on Kafka. Prints the id of each event that it has handled, one a line. */
import { setTimeout as sleep } from 'node:timers/promises';
import { kafkaBus } from '#shared/bus/kafka/bus.ts';

const [brokers, prefix, group] = process.argv.slice(2) as [string, string, string];
const timing = { sessionTimeoutMs: 2_000, heartbeatMs: 100 };
const bus = await kafkaBus({ brokers: brokers.split(','), prefix, partitions: 4, replication: 1, timing });
await bus.subscribe({ group, types: ['location.reported.v1'] }, async (batch) => {
  for (const { event } of batch) {
    await sleep(2);
    process.stdout.write(`${event.id}\n`);
  }
});
process.stdout.write('joined\n');
