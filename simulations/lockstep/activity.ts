import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';

/** The wait for an activity ends with an error if nothing happens for so long, by the real clock. */
export const SILENT_MS = 120_000;

/** Counts everything that may cause work in a process: messages, requests, reports, callbacks. Others wait for the next activity. */
export class Activity {
  /** The number of activities until now. */
  count = 0;
  #next = Promise.withResolvers<void>();
  #failure: unknown;

  /** Counts an activity, and wakes those that wait for one. */
  note(): void {
    this.count++;
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }

  /** Makes all present and later waits fail with this error; the first error counts. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.note();
  }

  /** @throws the error of `fail` */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Waits for the next activity.
   * @param withinMs the longest wait, at most {@link SILENT_MS}
   * @param what describes what the caller waits for
   * @returns false if there was none within the time
   * @throws TagalongError SERVICE_STOPPED if there was none for {@link SILENT_MS}; the error of `fail`
   */
  async within(withinMs: number, what: () => string): Promise<boolean> {
    this.throwFailure();
    const timeout = new AbortController();
    const happened = await Promise.race([
      this.#next.promise.then(() => true),
      sleep(withinMs, false, { signal: timeout.signal }).catch(() => false),
    ]);
    timeout.abort();
    this.throwFailure();
    if (!happened && withinMs >= SILENT_MS) throw stuck(what());
    return happened;
  }
}

/** The error about processes that make no progress. @param why what is missing */
export function stuck(why: string): TagalongError {
  return new TagalongError(
    'SERVICE_STOPPED',
    `no progress for ${SILENT_MS / 1000} s: ${why}; read the log of the processes`,
  );
}
