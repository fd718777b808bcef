import { expect, test } from 'vitest';
import { memoryBus } from '#shared/bus/memory.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { upgrades } from './upgrade-on.ts';

test('the services open a store without record versions, and lose nothing', async () => {
  await upgrades(memoryBus({ partitions: 4 }), memoryStore());
  expect.hasAssertions();
});
