/**
 * The two ways to wait for something outside of the process: `retry` what failed, or look again `until` a condition holds. They are on
 * the path of every read of a store, so the first attempt costs one promise.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** When to try again, and for how long. */
export interface RetryOptions {
  /** Between two attempts, in milliseconds. */
  readonly everyMs: number;
  /** A failure later than this after the first attempt began is final, in milliseconds. @default no limit */
  readonly withinMs?: number;
  /** How many attempts there are at most. @default no limit */
  readonly tries?: number;
  /** True for an error that the next attempt may not meet. Called once for each failed attempt. @default always true */
  readonly isPassing?: (error: unknown) => boolean;
  /** False: nobody needs the result any more. Asked after each pause. @default always true */
  readonly goOn?: () => boolean;
  /** False: the pauses alone do not keep the process alive. @default true */
  readonly ref?: boolean;
}

/**
 * Repeats `attempt` until it resolves.
 * @returns what `attempt` resolved to
 * @throws the error of the last attempt: it does not pass, time or attempts are used up, or nobody needs the result any more
 */
export async function retry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const {
    everyMs,
    withinMs = Number.POSITIVE_INFINITY,
    tries = Number.POSITIVE_INFINITY,
    isPassing,
    goOn,
    ref = true,
  } = options;
  const untilMs = performance.now() + withinMs;
  for (let tried = 1; ; tried++) {
    try {
      return await attempt();
    } catch (error) {
      if (isPassing?.(error) === false || tried >= tries || performance.now() > untilMs) throw error;
      await sleep(everyMs, undefined, { ref });
      if (goOn?.() === false) throw error;
    }
  }
}

/** How often to look, and for how long. */
export interface UntilOptions {
  /** Between two looks, in milliseconds. */
  readonly everyMs: number;
  /** The waiting ends this long after it began, in milliseconds. @default no limit */
  readonly withinMs?: number;
}

/**
 * Looks again and again until `condition` is true.
 * @returns false where it was not true in time
 * @throws what `condition` throws
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  { everyMs, withinMs = Number.POSITIVE_INFINITY }: UntilOptions,
): Promise<boolean> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    if (await condition()) return true;
    if (performance.now() > untilMs) return false;
    await sleep(everyMs);
  }
}
