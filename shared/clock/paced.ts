import { realClock } from './real.ts';
import { type VirtualClock, virtualClock } from './virtual.ts';

/** A virtual clock that follows the machine's clock, `speed` times as fast. */
export interface PacedClock extends VirtualClock {
  /**
   * Moves to `timeMs` no faster than `speed`, and runs the callbacks that are due on the way. It awaits `settle` before the first
   * callback and after each, so all consequences of one instant have happened before the next instant. A replay at any speed therefore
   * gives the same results as a simulation.
   */
  paceTo(timeMs: number, settle: () => Promise<void>): Promise<void>;
}

/** Makes a paced clock. @param speed virtual seconds in one second of the machine's clock; Infinity is as fast as possible */
export function pacedClock(startMs: number, speed: number): PacedClock {
  const clock = virtualClock(startMs);
  const machine = realClock();
  // Set by the first call, so the clock does not catch up with the time before it, such as the reading of a trace.
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
    // A request from outside (an operator's order) may have scheduled a callback during the wait.
    if ((clock.nextMs() ?? Number.POSITIVE_INFINITY) <= timeMs) return paceTo(timeMs, settle);
    clock.advanceTo(timeMs);
  };
  return { ...clock, paceTo };
}
