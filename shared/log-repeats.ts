/** Logs an error that repeats at most once a minute. */
import { TagalongError } from './errors.ts';
import type { Log } from './log.ts';

const EVERY_MS = 60_000;

/** The log lines of one fault that may repeat. */
export interface RepeatedFault {
  /** Reports a failure. Each kind of error is logged the first time, then at most once a minute with the number of repeats. */
  failed(err: unknown, details?: object): void;
  /** Reports success: one line if the last attempt had failed. */
  succeeded(): void;
}

/** @param message the failed operation, always as the same text */
export function repeatedFault(log: Log, message: string, level: 'error' | 'warn' = 'error'): RepeatedFault {
  let kind: string | undefined;
  let sinceMs = 0;
  let saidMs = 0;
  let unsaid = 0;
  let times = 0;
  return {
    failed(err, details) {
      const nowMs = performance.now();
      const same = kindOf(err);
      if (times === 0) sinceMs = nowMs;
      times++;
      unsaid++;
      if (same === kind && nowMs - saidMs < EVERY_MS) return;
      const repeats = unsaid > 1 ? { times: unsaid } : {};
      log[level]({ err, ...details, ...repeats }, message);
      kind = same;
      saidMs = nowMs;
      unsaid = 0;
    },
    succeeded() {
      if (times === 0) return;
      log.info({ times, lastedMs: Math.round(performance.now() - sinceMs) }, `${message}: over`);
      kind = undefined;
      times = 0;
      unsaid = 0;
    },
  };
}

function kindOf(err: unknown): string {
  if (err instanceof TagalongError) return err.code;
  return err instanceof Error ? `${err.name}: ${err.message}` : String(err);
}
