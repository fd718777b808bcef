/**
 * Older programs recorded no sites that VMs were handed to. The place of a VM then follows from the records of placement and
 * of the migrator.
 */
import { expect, test, vi } from 'vitest';
import { keyOf, VM_PREFIX } from '#services/placement/keys.ts';
import { createSystem } from '#services/process/system.ts';
import { whereaboutsBefore } from '#services/sites/hosts/before-handed.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { PATIENTLY } from '../patience.ts';
import { orderMove } from '../placement-order.ts';
import { decided } from '../unit/shared/migration/world.ts';

test('a VM is at the end of its last move, else at the home in its record, else at an unknown site', async () => {
  const [bus, store, log] = [memoryBus(), memoryStore(), createLog('silent')];
  const uplinks = [{ provider: 'north', rateBps: 1e9 }];
  const sites = ['a', 'b'].map((site, i) => ({ site, lat: 50 + i, lon: 8, slots: 9, uplinks }));
  const config = parseConfig(JSON.stringify({ sites, heartbeatMs: 100 }), 'test');
  const system = createSystem({ config, clock: realClock(), bus, store, log });
  const completed = vi.fn();
  await bus.subscribe({ group: 'test', types: ['migration.completed.v1'] }, async () => completed());
  await system.start();
  try {
    const spec = { ramBytes: 1e6, dirtyRateBps: 0, workingSetBytes: 0, diskBytes: 0 };
    const whole = { ...spec, downtimeLimitMs: 300, targetRttMs: 10 };
    for (const vm of ['moved', 'stayed', 'retired', 'unreadable']) await system.ingest.declareVm(vm, 'a', whole);
    for (const vm of ['moved', 'retired']) {
      const fact = decided(vm, 1, { from: 'a', to: 'b', spec: whole, atMs: Date.now() });
      await vi.waitFor(async () => expect(await store.get(VM_PREFIX + keyOf(vm, 16))).toBeDefined(), 5_000);
      await orderMove(bus, store, fact);
    }
    await vi.waitFor(() => expect(completed).toHaveBeenCalledTimes(2), PATIENTLY);
    await system.ingest.retireVm('retired');
    await system.placement.idle();
    const records = await store.list<object>('placement/vm/');
    const broken = records.find(({ key }) => key.endsWith('/unreadable'))!;
    await store.put([{ key: broken.key, value: { v: 99 }, revision: broken.revision }]);
    const expected = { moved: 'b', stayed: 'a', unreadable: '?' };
    await vi.waitFor(
      async () => expect(Object.fromEntries(await whereaboutsBefore(store))).toEqual(expected),
      PATIENTLY,
    );
  } finally {
    await system.stop();
  }
});
