/** Replays recorded positions into ingest, on a clock of any speed. */
import type { PacedClock } from '#shared/clock/paced.ts';
import type { Ingest } from '../ingest/service.ts';
import type { PersonalVms } from './personal-vms.ts';
import type { Fix } from './traces/fix.ts';

export interface Replay {
  readonly clock: PacedClock;
  readonly ingest: Pick<Ingest, 'declareVm' | 'attach' | 'locations'>;
  /** Resolves when all effects of the positions so far have happened. */
  readonly settle: () => Promise<void>;
  /** Gives VMs to users who have none; left out where the VMs are declared already. */
  readonly personal?: PersonalVms;
  /** Asked before each instant; true ends the replay. */
  readonly stopped?: () => boolean;
}

/**
 * Plays fixes that ascend in time: before each, the clock is moved to its time, and everything due by then has happened.
 * A late fix is sent late; ingest and placement judge it.
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
