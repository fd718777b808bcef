/** Broadcasts that reach a placement while the store does not answer. */
import { expect, test } from 'vitest';
import { newCore, PlacementSteps } from '#services/placement/steps.ts';
import type { Delivery } from '#shared/bus/bus.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { TagalongError } from '#shared/errors.ts';
import { envelop, type Fact } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { decided } from '../../shared/migration/world.ts';

test('a decision that cannot be looked up does not count, and does not hold up the other broadcasts', async () => {
  const get = () => Promise.reject(new TagalongError('STORE_UNREACHABLE', 'no answer'));
  const store: Store = { ...memoryStore(), get };
  const core = newCore(DEFAULT_CONFIG);
  const parts = { store, clock: virtualClock(0), config: DEFAULT_CONFIG, log: createLog('silent'), core };
  const steps = new PlacementSteps(parts as unknown as ConstructorParameters<typeof PlacementSteps>[0]);
  const deliver = (fact: Fact, id: string): Delivery => {
    return { event: envelop(fact, id, '/test'), partition: 0, attempt: 1 };
  };
  const removed = deliver({ type: 'site.removed.v1', data: { site: 'a', atMs: 1 } }, 'removed');
  expect(await steps.admitBroadcasts([deliver(decided('v', 1), 'v:1'), removed], core)).toEqual([removed]);
});
