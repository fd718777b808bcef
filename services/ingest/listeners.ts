/** Whether anybody will ever hear what ingest says. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '#shared/bus/bus.ts';
import type { Log } from '#shared/log.ts';

/** The groups without which a declared VM is lost, and the process that is one: nobody would decide about it, and nobody place it. */
const NEEDED = [
  ['placement', 'a placement'],
  ['agent', 'a migrator'],
] as const;
const LOOK_MS = 250;

/**
 * Resolves when the groups that ingest speaks to have subscribed, now or ever: from then on the bus keeps what they have
 * to hear. `waitsFor` is told what is missing. Where an installation begins, its processes start in any order.
 */
export async function listenersKnown(
  bus: Bus,
  partitions: number,
  log: Log,
  stopped: AbortSignal,
  waitsFor: (missing: readonly string[]) => void = () => {},
): Promise<void> {
  for (let looks = 0; ; looks++) {
    const missing = NEEDED.filter(
      ([group]) => new Set(bus.lag().flatMap((lag) => (lag.group === group ? [lag.partition] : []))).size < partitions,
    );
    const processes = missing.map(([, process]) => process);
    waitsFor(processes);
    if (missing.length === 0 || stopped.aborted) return;
    // The first time after a second, then once a minute.
    if (looks % 240 === 4) log.warn({ missing: processes }, 'waits until these have listened to the bus once');
    await sleep(LOOK_MS);
  }
}
