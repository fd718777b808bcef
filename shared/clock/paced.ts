import { realClock } from './real.ts';
import { type VirtualClock, virtualClock } from './virtual.ts';

/** A virtual clock that moves with the machine's clock, `speed` times as fast. */
export interface PacedClock extends VirtualClock {
  /**
   * Moves to `timeMs` no faster than `speed`, and runs the callbacks that are due on the way. It waits for `settle` after each and at
   * the end, so that all consequences of an instant have happened before the next one begins: so a replay gives the same results
   * as a simulation at any speed.
   */
  paceTo(timeMs: number, settle: () => Promise<void>): Promise<void>;
}

/** Makes a paced clock. @param speed how many seconds pass in one second of the machine's clock; Infinity: as fast as possible */
export function pacedClock(startMs: number, speed: number): PacedClock {
  const clock = virtualClock(startMs);
  const machine = realClock();
  // Set at the first pace, so that time spent before, as on reading a trace, is not caught up with.
  let begunMs: number | undefined;

  const reach = async (timeMs: number) => {
    begunMs ??= machine.now();
    const dueMs = begunMs + (timeMs - startMs) / speed;
    if (dueMs > machine.now()) await new Promise<void>((done) => machine.at(dueMs, done));
  };
  const paceTo = async (timeMs: number, settle: () => Promise<void>): Promise<void> => {
    await settle();
    for (let next = clock.nextMs(); next !== undefined && next <= timeMs; next = clock.nextMs()) {
      await reach(next);
      clock.step(timeMs);
      await settle();
    }
    await reach(timeMs);
    // A callback may have been scheduled from outside (an operator's request) during the wait.
    if ((clock.nextMs() ?? Number.POSITIVE_INFINITY) <= timeMs) return paceTo(timeMs, settle);
    clock.advanceTo(timeMs);
  };
  return { ...clock, paceTo };
}
