import { expect, test } from 'vitest';
import { memoryBus } from '#shared/bus/memory.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { upgrades } from './upgrade-on.ts';

test('a store of programs without versions is opened, and nothing of it is lost', async () => {
  await upgrades(memoryBus({ partitions: 4 }), memoryStore());
  expect.hasAssertions();
});
