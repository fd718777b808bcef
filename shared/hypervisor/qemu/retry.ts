/** Retries requests to agents that do not answer. */
import { retry } from '../../clock/retry.ts';
import { TagalongError } from '../../errors.ts';

/** Interval between two attempts. */
const RETRY_MS = 100;
/** How long an agent may be unreachable. */
const UNREACHABLE_MS = 300_000;

/** Ends a step without a report, because the move was cancelled or the driver was closed. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

/**
 * Retries a request while its agent is unreachable, for at most five minutes. Every order may be repeated.
 * @param isCancelled true ends the retries
 * @throws Cancelled, even if the request succeeded but was cancelled meanwhile; and every other error of `work`
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
