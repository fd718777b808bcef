/** Waits for the consumer groups that ingest depends on. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '#shared/bus/bus.ts';
import type { Log } from '#shared/log.ts';

/** The consumer groups that must exist before a VM is declared, with their processes: they decide about the VM and start it. */
const NEEDED = [
  ['placement', 'a placement'],
  ['agent', 'a migrator'],
] as const;
const POLL_MS = 250;

/**
 * Resolves once each of these groups has subscribed at least once: from then on the bus stores events for it. The processes of
 * a new installation may start in any order.
 * @param waitsFor receives the names of the missing processes at each poll
 */
export async function consumerGroupsExist(
  bus: Bus,
  partitions: number,
  log: Log,
  stopped: AbortSignal,
  waitsFor: (missing: readonly string[]) => void = () => {},
): Promise<void> {
  for (let polls = 0; ; polls++) {
    const missing = NEEDED.filter(
      ([group]) => new Set(bus.lag().flatMap((lag) => (lag.group === group ? [lag.partition] : []))).size < partitions,
    );
    const processes = missing.map(([, process]) => process);
    waitsFor(processes);
    if (missing.length === 0 || stopped.aborted) return;
    // The first time after a second, then once a minute.
    if (polls % 240 === 4) log.warn({ missing: processes }, 'waiting until these processes have subscribed to the bus');
    await sleep(POLL_MS);
  }
}
