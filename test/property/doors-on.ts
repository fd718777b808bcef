/** Rule 9 at every door: after each input all services are ready, start again, and move another VM. In memory and on servers. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { facts, records, requests } from './doors-inputs.ts';
import { DoorsWorld, type Environment } from './doors-world.ts';
import { SEED } from './seed.ts';

/** Number of inputs of one run, all on one store. */
const INPUTS = 8;

/** @param numRuns number of runs with eight inputs each; each run has its own store */
export function doorsOn(environment: () => Promise<Environment>, numRuns: number): void {
  /** Puts inputs one after the other, and checks after each that the system goes on. */
  const tryAll = <T>(inputs: fc.Arbitrary<T>, put: (world: DoorsWorld, input: T) => Promise<void>) =>
    fc.assert(
      fc.asyncProperty(fc.array(inputs, { minLength: INPUTS, maxLength: INPUTS }), async (list) => {
        const world = await DoorsWorld.start(await environment());
        try {
          for (const input of list) {
            await put(world, input);
            await world.expectServicesGoOn();
          }
        } finally {
          await world.stop();
        }
      }),
      // Shrinking would take too long, so a failure shows the whole run.
      { seed: SEED, numRuns, endOnFailure: true },
    );
  const timeout = numRuns * 120_000;

  test('HTTP and the location APIs: no request stops a service or another VM', { timeout }, async () => {
    let taken = 0;
    await tryAll(requests, async (world, { method, path, body, contentType }) => {
      const status = await world.ask(method, path, body, contentType);
      expect([path, body, status < 500]).toEqual([path, body, true]);
      if (status < 300) taken++;
    });
    expect(taken).toBeGreaterThan(numRuns);
  });

  test('the bus: no event that fits its schema stops a service or another VM', { timeout }, () =>
    tryAll(facts, (world, fact) => world.publish(fact)),
  );

  test('the store: no record stops a service or another VM', { timeout }, () =>
    tryAll(records, (world, { key, value }) =>
      world.restart(async (store) => {
        const there = await store.get(key);
        await store.put([{ key, value, revision: there?.revision ?? 0 }]);
      }),
    ),
  );
}
