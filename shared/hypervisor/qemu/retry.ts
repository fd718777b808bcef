/** Waiting for agents that do not answer. */
import { retry } from '../../clock/retry.ts';
import { TagalongError } from '../../errors.ts';

/** Between two attempts. */
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
  const attempt = async () => {
    if (isCancelled()) throw new Cancelled();
    const result = await work();
    if (isCancelled()) throw new Cancelled();
    return result;
  };
  const isPassing = (error: unknown) => error instanceof TagalongError && error.code === 'AGENT_UNREACHABLE';
  return retry(attempt, { everyMs: RETRY_MS, withinMs: UNREACHABLE_MS, isPassing });
}
