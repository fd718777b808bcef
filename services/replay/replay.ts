/** Replays recorded positions through ingest, on a clock of any speed. */
import type { PacedClock } from '#shared/clock/paced.ts';
import type { Ingest } from '../ingest/service.ts';
import type { PersonalVms } from './personal-vms.ts';
import type { Fix } from './traces/fix.ts';

/** The parameters of a replay. */
export interface Replay {
  readonly clock: PacedClock;
  readonly ingest: Pick<Ingest, 'declareVm' | 'attach' | 'locations'>;
  /** Resolves when all effects of the positions so far have happened. */
  readonly settle: () => Promise<void>;
  /** Gives VMs to users without one. Absent if the VMs are already declared. */
  readonly personal?: PersonalVms;
  /** Called before each position. True ends the replay. */
  readonly stopped?: () => boolean;
}

/**
 * Replays fixes in the order of time. Before each fix the clock moves to its time, and everything that is due by then happens. A fix that
 * is out of order is sent late; ingest and placement judge it.
 */
export async function replay(
  { clock, ingest, settle, personal, stopped = () => false }: Replay,
  batches: AsyncIterable<readonly Fix[]> | Iterable<readonly Fix[]>,
): Promise<void> {
  for await (const batch of batches) {
    for (const fix of batch) {
      if (stopped()) return;
      if (fix.atMs > clock.now()) await clock.paceTo(fix.atMs, settle);
      const enrolled = personal?.enrol(fix);
      if (enrolled) {
        await ingest.declareVm(enrolled.vm, enrolled.home, enrolled.spec);
        await ingest.attach(enrolled.vm, enrolled.user, 1);
      }
      await ingest.locations([fix]);
      await settle();
    }
  }
}
