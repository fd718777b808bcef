/** The part of the bus contract that is about those who ask for the latest. */
import { expect, test } from 'vitest';
import { Recorder, siteOf } from './bus-events.ts';
import type { BusHarness } from './bus-harness.ts';

/** @param harness the one of the test that runs */
export function latestContract(harness: () => BusHarness): void {
  test('a group that asks for the latest first gets the latest report of each site, then each new event', async () => {
    await harness().bus.publish([siteOf('bos', 1), siteOf('nyc', 1)]);
    await harness().bus.publish([siteOf('bos', 2)]);
    const seen = new Recorder();
    await harness().bus.subscribe({ group: 'g', types: ['site.reported.v1'], latest: true }, seen.handler);
    // Handled when subscribe has resolved: nobody goes on with half of the sites.
    expect([seen.of('bos'), seen.of('nyc')]).toEqual([[2], [1]]);
    await harness().bus.publish([siteOf('bos', 3)]);
    await harness().settle();
    expect([seen.of('bos'), seen.of('nyc')]).toEqual([[2, 3], [1]]);
  });

  test('a group that returns and asks for the latest gets the latest again, and nothing older', async () => {
    const options = { group: 'g', types: ['site.reported.v1'], latest: true } as const;
    const subscription = await harness().bus.subscribe(options, new Recorder().handler);
    await harness().bus.publish([siteOf('bos', 1), siteOf('nyc', 1)]);
    await harness().settle();
    await subscription.stop();
    await harness().bus.publish([siteOf('bos', 2), siteOf('bos', 3)]);
    const seen = new Recorder();
    await harness().bus.subscribe(options, seen.handler);
    await harness().settle();
    expect([seen.of('bos'), seen.of('nyc')]).toEqual([[3], [1]]);
  });
}
