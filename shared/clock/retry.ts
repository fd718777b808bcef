/**
 * The two ways to wait for something outside of the process: `retry` repeats what failed, `until` checks a condition again and again.
 * Every read of a store calls `retry`, so a successful first attempt costs only one promise.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** The interval of the attempts, and their end. */
export interface RetryOptions {
  /** The pause between two attempts, in milliseconds. */
  readonly everyMs: number;
  /** A failure later than this is final, in milliseconds from the start of the first attempt. @default no limit */
  readonly withinMs?: number;
  /** The most attempts. @default no limit */
  readonly tries?: number;
  /** True if the next attempt may succeed in spite of this error. Called once for each failed attempt. @default always true */
  readonly isPassing?: (error: unknown) => boolean;
  /** False if nobody needs the result any more. Called after each pause. @default always true */
  readonly goOn?: () => boolean;
  /** False if the pauses alone must not keep the process alive. @default true */
  readonly ref?: boolean;
}

/**
 * Repeats `attempt` until it resolves.
 * @returns the result of `attempt`
 * @throws the error of the last attempt, if it does not pass, a limit is reached, or nobody needs the result any more
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

/** The interval of the checks, and their end. */
export interface UntilOptions {
  /** The pause between two checks, in milliseconds. */
  readonly everyMs: number;
  /** The longest wait, in milliseconds. @default no limit */
  readonly withinMs?: number;
}

/**
 * Checks `condition` again and again until it is true.
 * @returns false if it was not true in time
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
