/** The part of the bus contract about groups that ask for the latest events. */
import { expect, test } from 'vitest';
import { Recorder, siteOf } from './bus-events.ts';
import type { BusHarness } from './bus-harness.ts';

/** @param harness returns the harness of the running test */
export function latestContract(harness: () => BusHarness): void {
  test('a group that asks for the latest first gets the latest report of each site, then each new event', async () => {
    await harness().bus.publish([siteOf('bos', 1), siteOf('nyc', 1)]);
    await harness().bus.publish([siteOf('bos', 2)]);
    const seen = new Recorder();
    await harness().bus.subscribe({ group: 'g', types: ['site.reported.v1'], latest: true }, seen.handler);
    // The handler has run when subscribe resolves, so that no subscriber starts with half of the sites.
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
