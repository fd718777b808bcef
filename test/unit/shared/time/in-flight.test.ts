import { expect, test } from 'vitest';
import { allIdle, InFlight } from '#shared/time/in-flight.ts';

test('is idle when all work has ended, also with an error', async () => {
  const work = new InFlight();
  await work.idle();
  const [one, two] = [Promise.withResolvers<number>(), Promise.withResolvers<never>()];
  const [first, second] = [work.during(() => one.promise), work.during(() => two.promise)];
  let isIdle = false;
  const idle = work.idle().then(() => {
    isIdle = true;
  });
  one.resolve(7);
  expect(await first).toBe(7);
  expect([work.busy, isIdle]).toEqual([true, false]);
  two.reject(new Error('refused'));
  await expect(second).rejects.toThrow('refused');
  await idle;
  expect(work.busy).toBe(false);
});

test('allIdle waits for parts that start each other', async () => {
  const [bus, service] = [new InFlight(), new InFlight()];
  let rounds = 0;
  const hop = (from: InFlight, to: InFlight): void => {
    void from.during(async () => {
      await Promise.resolve();
      if (++rounds < 10) hop(to, from);
    });
  };
  hop(bus, service);
  await allIdle([bus, service]);
  expect(rounds).toBe(10);
});
