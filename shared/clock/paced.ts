import { realClock } from './real.ts';
import { type VirtualClock, virtualClock } from './virtual.ts';

/** A virtual clock that is moved along with the machine's clock, `speed` times as fast. */
export interface PacedClock extends VirtualClock {
  /**
   * Moves to `timeMs`, running what is due on the way, no faster than `speed`. After each callback and at the end it
   * waits for `settle`, so that everything a moment causes has happened before the next moment begins: a replay at any
   * speed therefore gives the same results as a simulation.
   */
  paceTo(timeMs: number, settle: () => Promise<void>): Promise<void>;
}

/** @param speed how many seconds pass in one second of the machine's; Infinity: as fast as it goes */
export function pacedClock(startMs: number, speed: number): PacedClock {
  const clock = virtualClock(startMs);
  const machine = realClock();
  // Set when the pace begins: what was done before, such as reading a trace, is not to be caught up with.
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
    // Something may have been scheduled from outside (an operator's request) while we waited.
    if ((clock.nextMs() ?? Number.POSITIVE_INFINITY) <= timeMs) return paceTo(timeMs, settle);
    clock.advanceTo(timeMs);
  };
  return { ...clock, paceTo };
}
