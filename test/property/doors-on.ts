/** Rule 9 at every door: after each input everything is ready, starts again, and another VM moves. In memory and on servers. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { facts, records, requests } from './doors-inputs.ts';
import { DoorsWorld, type Ground } from './doors-world.ts';
import { SEED } from './seed.ts';

/** Inputs of one run, all on one store. */
const INPUTS = 8;

/** @param numRuns runs of eight inputs, each run on a store of its own */
export function doorsOn(ground: () => Promise<Ground>, numRuns: number): void {
  /** Tries inputs one after the other. */
  const tryAll = <T>(inputs: fc.Arbitrary<T>, put: (world: DoorsWorld, input: T) => Promise<void>) =>
    fc.assert(
      fc.asyncProperty(fc.array(inputs, { minLength: INPUTS, maxLength: INPUTS }), async (list) => {
        const world = await DoorsWorld.start(await ground());
        try {
          for (const input of list) {
            await put(world, input);
            await world.expectItGoesOn();
          }
        } finally {
          await world.stop();
        }
      }),
      // A run is as long as its worst input: what fails is shown whole.
      { seed: SEED, numRuns, endOnFailure: true },
    );
  const timeout = numRuns * 120_000;

  test('HTTP and the location APIs: no request ends anything but itself', { timeout }, async () => {
    let taken = 0;
    await tryAll(requests, async (world, { method, path, body, contentType }) => {
      const status = await world.ask(method, path, body, contentType);
      expect([path, body, status < 500]).toEqual([path, body, true]);
      if (status < 300) taken++;
    });
    expect(taken).toBeGreaterThan(numRuns);
  });

  test('the bus: no event that fits its schema ends anything but what it is of', { timeout }, () =>
    tryAll(facts, (world, fact) => world.publish(fact)),
  );

  test('the store: no record keeps the others from being read', { timeout }, () =>
    tryAll(records, (world, { key, value }) =>
      world.restart(async (store) => {
        const there = await store.get(key);
        await store.put([{ key, value, revision: there?.revision ?? 0 }]);
      }),
    ),
  );
}
