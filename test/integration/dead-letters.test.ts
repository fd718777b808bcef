import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listDeadLetters, replayDeadLetters } from '#services/dead-letters/records.ts';
import { createDeadLetters, type DeadLetters } from '#services/dead-letters/service.ts';
import { createMonitor } from '#services/monitor/service.ts';
import { type MemoryBus, memoryBus } from '#shared/bus/memory.ts';
import { type VirtualClock, virtualClock } from '#shared/clock/virtual.ts';
import { TagalongError } from '#shared/errors.ts';
import { type Event, envelop } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';

const START_MS = Date.UTC(2026, 2, 2, 12);
const HOUR_MS = 3_600_000;
const location = (vm: string, atMs = START_MS): Event =>
  envelop(
    { type: 'location.reported.v1', data: { vm, user: 'alice', atMs, lat: 52.123, lon: 4 } },
    `loc:${vm}:alice:${atMs}`,
    '/test',
  );
const retired = (vm: string): Event =>
  envelop({ type: 'vm.retired.v1', data: { vm, atMs: START_MS + 1 } }, `retired:${vm}`, '/test');

let bus: MemoryBus;
let store: Store;
let clock: VirtualClock;
let letters: DeadLetters;
let broken: boolean;
let handled: string[];

beforeEach(async () => {
  [bus, store, clock, broken, handled] = [memoryBus(), memoryStore(), virtualClock(START_MS), true, []];
  letters = createDeadLetters({ bus, store, clock, retentionMs: 2 * HOUR_MS });
  await letters.start();
  for (const group of ['placement', 'other']) {
    await bus.subscribe({ group, types: ['location.reported.v1', 'vm.retired.v1'] }, async (batch) => {
      if (broken) throw new TagalongError('STORE_CONFLICT', 'a test');
      handled.push(...batch.map(({ event }) => `${group} ${event.data.atMs}`));
    });
  }
});
afterEach(async () => {
  await letters.stop();
  await bus.close();
});

const publish = async (...events: Event[]) => {
  await bus.publish(events);
  await bus.idle();
};

describe('dead letters', () => {
  test('are listed with time, code, reason, type and VM, without users and positions', async () => {
    await publish(retired('w'), location('v'));
    const list = await listDeadLetters(store, {});
    expect(list[0]).toEqual({
      ...{ atMs: START_MS, code: 'STORE_CONFLICT', reason: 'a test' },
      ...{ type: 'location.reported.v1', key: 'v' },
    });
    expect(
      list.map(({ key }) => key),
      'one for each group that refused it',
    ).toEqual(['v', 'v', 'w', 'w']);
    expect(JSON.stringify(list)).not.toMatch(/alice|52\.1/);
    expect(await listDeadLetters(store, { vm: 'w' })).toHaveLength(2);
    expect(await listDeadLetters(store, { code: 'BUS_CLOSED' })).toEqual([]);
  });

  test('are published again once, although the bus drops repeats, and are then deleted', async () => {
    const monitor = createMonitor({ bus, store, clock, log: createLog('silent'), partitions: 1 });
    await monitor.start();
    await publish(location('v'), retired('v'), retired('w'));
    broken = false;
    expect(await replayDeadLetters(store, bus, { vm: 'v' })).toEqual({ replayed: 2, unusable: 0 });
    await bus.idle();
    expect(handled.toSorted()).toEqual(
      ['placement', 'other'].flatMap((group) => [`${group} ${START_MS}`, `${group} ${START_MS + 1}`]).toSorted(),
    );
    expect((await listDeadLetters(store, {})).map(({ key }) => key)).toEqual(['w', 'w']);
    expect(await replayDeadLetters(store, bus, { vm: 'v' })).toEqual({ replayed: 0, unusable: 0 });
    // The monitor counts an event once, although two groups refused it.
    expect(await monitor.metrics()).toContain('tagalong_events_total{type="vm.retired.v1"} 2');
    await monitor.stop();
  });

  test('become dead letters again if they are refused again', async () => {
    await publish(location('v'));
    await replayDeadLetters(store, bus, {});
    await bus.idle();
    expect(await listDeadLetters(store, {})).toHaveLength(2);
    broken = false;
    await replayDeadLetters(store, bus, {});
    await bus.idle();
    expect(handled).toHaveLength(2);
    expect(await listDeadLetters(store, {})).toEqual([]);
  });

  test('without a valid event stay, and are counted as unusable', async () => {
    const data = { vm: 'v', atMs: START_MS, code: 'EVENT_INVALID', reason: 'not JSON', original: 'rubbish' };
    await publish(envelop({ type: 'event.rejected.v1', data }, 'rejected:test', '/test'));
    expect(await listDeadLetters(store, {})).toMatchObject([{ type: 'unknown', key: 'v' }]);
    expect(await replayDeadLetters(store, bus, {})).toEqual({ replayed: 0, unusable: 1 });
    expect(await listDeadLetters(store, {})).toHaveLength(1);
  });

  test('are deleted when the retention of events has passed', async () => {
    await publish(location('v'));
    clock.advanceTo(START_MS + 3 * HOUR_MS);
    await publish(location('w', START_MS + 3 * HOUR_MS));
    expect((await listDeadLetters(store, {})).map(({ key }) => key)).toEqual(['w', 'w']);
  });
});
