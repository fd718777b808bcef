/** The contract of clocks (shared/clock/clock.ts): one suite for each clock. It uses the port only. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Cancel, Clock } from '#shared/clock/clock.ts';

/** A new clock for one test. */
export interface ClockHarness {
  readonly clock: Clock;
  /** Lets the clock's time pass. Resolves when all callbacks that are due have run. */
  pass(ms: number): Promise<void>;
}

const DAY_MS = 86_400_000;

/** @param options.runs number of random schedules; fewer for a clock that needs real time */
export function clockContract(name: string, make: () => ClockHarness, { runs = 200 } = {}): void {
  describe(`the clock contract, kept by ${name}`, () => {
    let clock: Clock;
    let pass: ClockHarness['pass'];
    beforeEach(() => {
      ({ clock, pass } = make());
    });

    test('time advances, and never goes back', async () => {
      let latest = clock.now();
      for (let i = 0; i < 10; i++) {
        await pass(2);
        expect(clock.now()).toBeGreaterThanOrEqual(latest + 2);
        latest = clock.now();
      }
    });

    test('a callback runs at its time or after it, once', async () => {
      const ran: number[] = [];
      const timeMs = clock.now() + 5;
      clock.at(timeMs, () => ran.push(clock.now()));
      expect(ran).toEqual([]);
      await pass(20);
      await pass(20);
      expect(ran.length).toBe(1);
      expect(ran[0]).toBeGreaterThanOrEqual(timeMs);
    });

    test.each([0, 1, 60_000])('a callback for a time %d ms ago runs at once, but not inside at()', async (ago) => {
      let ran = 0;
      clock.at(clock.now() - ago, () => {
        ran++;
      });
      expect(ran).toBe(0);
      await pass(0);
      expect(ran).toBe(1);
    });

    test('a callback that another one sets for the same time runs after those that wait', async () => {
      const ran: string[] = [];
      const timeMs = clock.now() + 5;
      clock.at(timeMs, () => {
        clock.at(timeMs, () => ran.push('third'));
        ran.push('first');
      });
      clock.at(timeMs, () => ran.push('second'));
      await pass(10);
      expect(ran).toEqual(['first', 'second', 'third']);
    });

    test('a callback for an earlier time than the waiting ones runs on time', async () => {
      const ran: string[] = [];
      const beginMs = clock.now();
      clock.at(beginMs + 1_000_000, () => ran.push('late'));
      clock.at(beginMs + 5, () => ran.push('early'));
      await pass(10);
      expect(ran).toEqual(['early']);
    });

    test('a cancelled callback never runs, also if it is cancelled when it is due', async () => {
      const ran: string[] = [];
      const timeMs = clock.now() + 5;
      const cancelled = clock.at(timeMs, () => ran.push('cancelled before'));
      clock.at(timeMs, () => cancelDue());
      const cancelDue = clock.at(timeMs, () => ran.push('cancelled when due'));
      clock.at(timeMs, () => ran.push('kept'));
      cancelled();
      await pass(10);
      expect(ran).toEqual(['kept']);
    });

    test('a second cancellation, or one after the callback, does nothing', async () => {
      const ran: string[] = [];
      const cancel = clock.at(clock.now() + 1, () => ran.push('a'));
      await pass(5);
      cancel();
      clock.at(clock.now() + 1, () => ran.push('b'));
      cancel();
      await pass(5);
      expect(ran).toEqual(['a', 'b']);
    });

    test('a callback for a time in a hundred days does not run now', async () => {
      let ran = false;
      const cancel = clock.at(clock.now() + 100 * DAY_MS, () => {
        ran = true;
      });
      await pass(10);
      expect(ran).toBe(false);
      cancel();
    });

    test('callbacks run in order of time, and callbacks of one time in order of registration', async () => {
      const schedules = fc.array(fc.record({ offsetMs: fc.integer({ min: -5, max: 8 }), cancel: fc.boolean() }));
      await fc.assert(
        fc.asyncProperty(schedules, async (schedule) => {
          const beginMs = clock.now();
          const ran: number[] = [];
          const cancels: Cancel[] = schedule.map(({ offsetMs }, i) => clock.at(beginMs + offsetMs, () => ran.push(i)));
          schedule.forEach(({ cancel }, i) => {
            if (cancel) cancels[i]?.();
          });
          await pass(20);
          const expected = schedule
            .map(({ offsetMs, cancel }, i) => ({ offsetMs, cancel, i }))
            .filter(({ cancel }) => !cancel)
            .sort((a, b) => a.offsetMs - b.offsetMs || a.i - b.i)
            .map(({ i }) => i);
          expect(ran).toEqual(expected);
        }),
        { numRuns: runs },
      );
    });
  });
}
