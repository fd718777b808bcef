/** Limits the useless reads of the store: made-up events must not keep the store busy, nor hold up true events for long. */
import type { Clock } from '#shared/clock/clock.ts';

/** So many reads a second may prove useless. */
const MAX_USELESS_PER_S = 100;
const SECOND_MS = 1000;
/** The longest time in a minute for which events wait. */
const MAX_WAIT_MS = 10_000;
const MINUTE_MS = 60_000;

/** The quota of one service. */
export interface ReadQuota {
  /** False: too many reads of this second were useless. */
  isLeft(): boolean;
  /** Waits until some of the quota is left. @returns false: events have waited for too long within this minute */
  wait(): Promise<boolean>;
  /** Counts a read that was useless: the event was made up. */
  spend(): void;
}

/** Makes a quota. @param clock counts its seconds; not the clock of a simulation, whose time stands still while an event is handled */
export function readQuota(clock: Clock): ReadQuota {
  let useless = 0;
  let secondMs = Number.NEGATIVE_INFINITY;
  let waitedMs = 0;
  let minuteMs = Number.NEGATIVE_INFINITY;

  const isLeft = (): boolean => {
    const nowMs = clock.now();
    if (nowMs >= secondMs + SECOND_MS) {
      secondMs = nowMs;
      useless = 0;
    }
    return useless < MAX_USELESS_PER_S;
  };

  return {
    isLeft,
    spend: () => {
      useless++;
    },
    async wait() {
      while (!isLeft()) {
        const nowMs = clock.now();
        if (nowMs >= minuteMs + MINUTE_MS) {
          minuteMs = nowMs;
          waitedMs = 0;
        }
        const untilMs = secondMs + SECOND_MS;
        if (waitedMs + untilMs - nowMs > MAX_WAIT_MS) return false;
        waitedMs += untilMs - nowMs;
        await new Promise<void>((resolve) => void clock.at(untilMs, resolve));
      }
      return true;
    },
  };
}
