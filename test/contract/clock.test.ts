import { describe, expect, test } from 'vitest';
import { pacedClock } from '#shared/clock/paced.ts';
import { realClock } from '#shared/clock/real.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { clockContract } from './clock.ts';

const atRest = () => Promise.resolve();

clockContract(
  'the real clock',
  () => {
    const clock = realClock();
    return { clock, pass: (ms) => new Promise<void>((done) => clock.at(clock.now() + ms, done)) };
  },
  { runs: 20 },
);

clockContract('the virtual clock', () => {
  const clock = virtualClock(1_000_000);
  return { clock, pass: async (ms) => clock.advanceTo(clock.now() + ms) };
});

clockContract('the paced clock', () => {
  const clock = pacedClock(1_000_000, 1_000);
  return { clock, pass: (ms) => clock.paceTo(clock.now() + ms, atRest) };
});

describe('the real clock', () => {
  test('keeps the process alive for a waiting callback, and not for a cancelled one', () => {
    const timeouts = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    const before = timeouts();
    const clock = realClock();
    const cancel = clock.at(clock.now() + 60_000, () => {});
    expect(timeouts()).toBe(before + 1);
    cancel();
    expect(timeouts()).toBe(before);
  });
});

describe('the virtual clock', () => {
  test('can be set past a callback, which the next step runs at the later time', () => {
    const clock = virtualClock(1000);
    const ran: number[] = [];
    clock.at(1500, () => ran.push(clock.now()));
    clock.set(2000);
    expect([clock.now(), ran, clock.nextMs()]).toEqual([2000, [], 1500]);
    expect(clock.step(2000)).toBe(true);
    clock.set(1000);
    expect([clock.now(), ran]).toEqual([2000, [2000]]);
  });

  test('does not advance by itself', async () => {
    const clock = virtualClock(5);
    await new Promise((resume) => setTimeout(resume, 3));
    expect(clock.now()).toBe(5);
  });

  test('has the time of each callback while it runs, and then the requested time', () => {
    const clock = virtualClock(0);
    const seen: number[] = [];
    for (const timeMs of [30, 10, 20]) clock.at(timeMs, () => seen.push(clock.now()));
    clock.advanceTo(25);
    expect(seen).toEqual([10, 20]);
    expect([clock.now(), clock.nextMs()]).toEqual([25, 30]);
    clock.advanceTo(10);
    expect(clock.now()).toBe(25);
  });

  test('steps from one callback to the next, up to the given time', () => {
    const clock = virtualClock(0);
    const seen: number[] = [];
    for (const timeMs of [10, 20]) clock.at(timeMs, () => seen.push(timeMs));
    expect([clock.step(15), clock.step(15), clock.now()]).toEqual([true, false, 10]);
    expect(seen).toEqual([10]);
  });
});

describe('the paced clock', () => {
  test('takes at least the real time of its speed, from the beginning of its pace', async () => {
    const clock = pacedClock(0, 1_000);
    await new Promise((resume) => setTimeout(resume, 40));
    const begunMs = performance.now();
    await clock.paceTo(30_000, atRest);
    // The clock of the machine has a resolution of one millisecond.
    expect(performance.now() - begunMs).toBeGreaterThan(28);
    expect(clock.now()).toBe(30_000);
  });

  test('does not wait at an infinite speed, except for unfinished work', async () => {
    const clock = pacedClock(0, Number.POSITIVE_INFINITY);
    await clock.paceTo(1e15, atRest);
    expect(clock.now()).toBe(1e15);
  });

  test('settles each instant before the next one', async () => {
    const clock = pacedClock(0, Number.POSITIVE_INFINITY);
    const seen: string[] = [];
    for (const timeMs of [10, 20]) clock.at(timeMs, () => seen.push(`at ${timeMs}`));
    await clock.paceTo(30, async () => {
      await new Promise(setImmediate);
      seen.push(`settled ${clock.now()}`);
    });
    expect(seen).toEqual(['settled 0', 'at 10', 'settled 10', 'at 20', 'settled 20']);
  });

  test('runs callbacks that are set during a wait and during settling', async () => {
    const clock = pacedClock(0, 1_000);
    const seen: string[] = [];
    setImmediate(() => clock.at(10_000, () => seen.push('from outside')));
    let settled = 0;
    await clock.paceTo(100_000, async () => {
      settled++;
      if (settled === 2) clock.at(15_000, () => seen.push('by settling'));
    });
    expect(seen).toEqual(['from outside', 'by settling']);
  });
});
