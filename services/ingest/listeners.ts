/** Whether anybody will ever hear what ingest says. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus } from '#shared/bus/bus.ts';
import type { Log } from '#shared/log.ts';

/** The groups without which a declared VM is lost: nobody would place it, and nobody decide about it. */
const NEEDED = ['placement', 'agent'] as const;
const LOOK_MS = 250;

/**
 * Resolves when the groups that ingest speaks to have subscribed, now or ever: from then on the bus keeps what they have
 * to hear. Where an installation begins, its processes start in any order.
 */
export async function listenersKnown(bus: Bus, partitions: number, log: Log, stopped: AbortSignal): Promise<void> {
  for (let looks = 0; ; looks++) {
    const missing = NEEDED.filter(
      (group) => new Set(bus.lag().flatMap((lag) => (lag.group === group ? [lag.partition] : []))).size < partitions,
    );
    if (missing.length === 0 || stopped.aborted) return;
    if (looks % 40 === 4) log.warn({ missing }, 'waiting: nobody has listened to the bus yet as');
    await sleep(LOOK_MS);
  }
}
