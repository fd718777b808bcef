import { expect, test } from 'vitest';
import { moveCheck } from '#services/runtime/move-check.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { envelop } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';

const NOW_MS = Date.UTC(2026, 2, 2, 12);
const log = createLog('silent');

test('made-up events read at most 100 records a second', async () => {
  const clock = virtualClock(NOW_MS);
  let reads = 0;
  const inner = memoryStore();
  const store: Store = {
    ...inner,
    get: (key) => {
      reads++;
      return inner.get(key);
    },
  };
  const check = moveCheck({ store, clock, log });
  const data = { vm: 'v', from: 'a', to: 'b', atMs: NOW_MS };
  const forge = async () => {
    for (let i = 1; i <= 500; i++) {
      const fact = { type: 'migration.accepted.v1', data: { ...data, migration: `v:${i}` } } as const;
      expect(await check.admits(envelop(fact, `e${i}`, '/test'))).toBe(false);
    }
  };
  await forge();
  expect([reads, check.refused]).toEqual([100, 500]);
  clock.advanceTo(NOW_MS + 1000);
  await forge();
  expect([reads, check.refused]).toEqual([200, 1000]);
});

test('events of other types are admitted at once', () => {
  const check = moveCheck({ store: memoryStore(), clock: virtualClock(NOW_MS), log });
  const retired = envelop({ type: 'vm.retired.v1', data: { vm: 'v', atMs: NOW_MS } }, 'e', '/test');
  expect(check.admits(retired)).toBe(true);
});
