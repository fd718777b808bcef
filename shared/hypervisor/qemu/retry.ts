/** Waiting for agents that do not answer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '../../errors.ts';

/** Between two tries. */
const RETRY_MS = 100;
/** How long an agent may be unreachable. */
const UNREACHABLE_MS = 300_000;

/** Thrown out of a step that ends without a report, because the move was cancelled or the driver closed. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

/**
 * Repeats what failed only because an agent was unreachable, for five minutes at most. Every order may be repeated.
 * @param isCancelled ends the waiting
 * @throws Cancelled, also where the work was done but the result is not wanted any more; whatever else `work` throws
 */
export async function whileUnreachable<T>(work: () => Promise<T>, isCancelled: () => boolean): Promise<T> {
  for (const untilMs = Date.now() + UNREACHABLE_MS; ; await sleep(RETRY_MS)) {
    if (isCancelled()) throw new Cancelled();
    try {
      const result = await work();
      if (isCancelled()) throw new Cancelled();
      return result;
    } catch (error) {
      const isUnreachable = error instanceof TagalongError && error.code === 'AGENT_UNREACHABLE';
      if (!isUnreachable || Date.now() > untilMs) throw error;
    }
  }
}
