import { describe, expect, test } from 'vitest';
import { memoryBus } from '#shared/bus/memory.ts';
import { MAX_BATCH, PartitionQueue } from '#shared/bus/partition-queue.ts';
import { RecentIds } from '#shared/bus/recent-ids.ts';
import { busContract } from './bus.ts';
import { gate, locationOf, Recorder } from './bus-events.ts';

for (const partitions of [3, 16]) {
  busContract(`the memory bus with ${partitions} partitions`, async () => {
    const bus = memoryBus({ partitions });
    return { bus, settle: bus.idle, close: () => bus.close() };
  });
}

const types = ['location.reported.v1'] as const;
const letterTypes = ['event.rejected.v1'] as const;

/** Blocks the process, like a handler that computes. */
function compute(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('the memory bus, beyond the contract', () => {
  test('idle waits for events that handlers publish', async () => {
    const bus = memoryBus();
    const last = new Recorder();
    await bus.subscribe({ group: 'chain', types }, async (batch) => {
      for (const { event } of batch) {
        await new Promise(setImmediate);
        if (event.data.atMs < 20) await bus.publish([locationOf(`vm-${event.data.atMs}`, event.data.atMs + 1)]);
      }
    });
    await bus.subscribe({ group: 'last', types }, last.handler);
    await bus.publish([locationOf('vm-0', 0)]);
    await bus.idle();
    expect(last.deliveries.map(({ event }) => event.data.atMs)).toEqual(Array.from({ length: 21 }, (_, n) => n));
  });

  test('idle does not wait for groups without members', async () => {
    const bus = memoryBus();
    const subscription = await bus.subscribe({ group: 'gone', types }, async () => {});
    await subscription.stop();
    await bus.publish([locationOf('vm-1', 1)]);
    await bus.idle();
    expect(bus.lag().reduce((sum, { events }) => sum + events, 0)).toBe(1);
  });

  test('a delivered event is the published object, and no copy', async () => {
    const bus = memoryBus();
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types }, seen.handler);
    const event = locationOf('vm-1', 1);
    await bus.publish([event]);
    await bus.idle();
    expect(seen.deliveries[0]?.event).toBe(event);
  });

  test('no handler runs inside publish', async () => {
    const bus = memoryBus();
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types }, seen.handler);
    const published = bus.publish([locationOf('vm-1', 1)]);
    expect(seen.deliveries).toEqual([]);
    await published;
    await bus.idle();
    expect(seen.deliveries.length).toBe(1);
  });

  test('publish publishes no event if one of them is invalid', async () => {
    const bus = memoryBus();
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types }, seen.handler);
    const wrong = { ...locationOf('vm-2', 2), id: '' };
    await expect(bus.publish([locationOf('vm-1', 1), wrong])).rejects.toMatchObject({ code: 'EVENT_INVALID' });
    await bus.idle();
    expect(seen.deliveries).toEqual([]);
  });

  test('waiting events arrive as one batch, up to the largest size of a batch', async () => {
    const bus = memoryBus({ partitions: 1 });
    const sizes: number[] = [];
    await bus.subscribe({ group: 'g', types }, async (batch) => {
      sizes.push(batch.length);
    });
    await bus.publish(Array.from({ length: 2 * MAX_BATCH + 5 }, (_, n) => locationOf('vm-1', n)));
    await bus.idle();
    expect(sizes).toEqual([MAX_BATCH, MAX_BATCH, 5]);
  });

  test('a member handles its partitions one after the other', async () => {
    const bus = memoryBus();
    let running = 0;
    let most = 0;
    await bus.subscribe({ group: 'g', types }, async () => {
      running++;
      most = Math.max(most, running);
      await new Promise(setImmediate);
      running--;
    });
    await bus.publish(Array.from({ length: 100 }, (_, n) => locationOf(`vm-${n}`, n)));
    await bus.idle();
    expect(most).toBe(1);
  });

  test('a partition stays with its member while no member joins or leaves', async () => {
    const bus = memoryBus();
    const members = [new Recorder(), new Recorder(), new Recorder()];
    for (const { handler } of members) await bus.subscribe({ group: 'g', types }, handler);
    for (let n = 0; n < 5; n++) {
      await bus.publish(Array.from({ length: 100 }, (_, i) => locationOf(`vm-${i}`, n)));
      await bus.idle();
    }
    const owned = members.map(({ deliveries }) => [...new Set(deliveries.map(({ partition }) => partition))]);
    expect(owned.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 16 }, (_, partition) => partition));
  });

  test('after a refusal each event is delivered alone, and only the refused one more than twice', async () => {
    const bus = memoryBus();
    const attempts = new Map<number, number>();
    await bus.subscribe({ group: 'g', types }, async (batch) => {
      for (const { event, attempt } of batch) attempts.set(event.data.atMs, attempt);
      if (batch.some(({ event }) => event.data.atMs === 2)) throw new Error('poison');
    });
    await bus.publish([1, 2, 3, 4].map((n) => locationOf('vm-1', n)));
    await bus.idle();
    expect([...attempts]).toEqual([
      [1, 2],
      [2, 5],
      [3, 2],
      [4, 2],
    ]);
  });

  test('the dead letter of an event always has the same id', async () => {
    const ids = [];
    for (let run = 0; run < 2; run++) {
      const bus = memoryBus();
      const letters = new Recorder();
      await bus.subscribe({ group: 'letters', types: letterTypes }, letters.handler);
      await bus.subscribe({ group: 'g', types }, () => Promise.reject(new Error('no')));
      await bus.publish([locationOf('vm-1', 1)]);
      await bus.idle();
      ids.push(...letters.deliveries.map(({ event }) => event.id));
    }
    expect(ids).toEqual(['rejected:g:vm-1/1', 'rejected:g:vm-1/1']);
  });

  test('timers run while handlers block the process, and during endless publication', async () => {
    const bus = memoryBus();
    await bus.subscribe({ group: 'g', types }, async () => compute(1));
    let turned = false;
    setTimeout(() => {
      turned = true;
    }, 0);
    await bus.publish(Array.from({ length: 100 }, (_, n) => locationOf(`vm-${n}`, n)));
    await bus.idle();
    expect(turned).toBe(true);

    const nobodyListens = memoryBus();
    turned = false;
    setTimeout(() => {
      turned = true;
    }, 0);
    for (let n = 0; n < 1_000 && !turned; n++) {
      compute(1);
      await nobodyListens.publish([locationOf('vm-1', n)]);
    }
    expect(turned).toBe(true);
  });

  test('lag counts the events that wait and those in handlers, and is zero without any', async () => {
    const bus = memoryBus({ partitions: 2 });
    const [begun, release] = [gate(), gate()];
    await bus.subscribe({ group: 'g', types }, async () => {
      begun.open();
      await release.opened;
    });
    await bus.publish([locationOf('vm-1', 1)]);
    await begun.opened;
    await bus.publish([locationOf('vm-1', 2)]);
    const events = () => bus.lag().map((lag) => lag.events);
    expect(events().sort()).toEqual([0, 2]);
    release.open();
    await bus.idle();
    expect(events()).toEqual([0, 0]);
  });

  test('close waits for the running batch, which may publish', async () => {
    const bus = memoryBus();
    const [begun, release] = [gate(), gate()];
    let finished = false;
    await bus.subscribe({ group: 'g', types }, async () => {
      begun.open();
      await release.opened;
      await bus.publish([locationOf('vm-2', 2)]);
      finished = true;
    });
    await bus.publish([locationOf('vm-1', 1)]);
    await begun.opened;
    const closing = bus.close();
    await expect(bus.subscribe({ group: 'h', types }, async () => {})).rejects.toMatchObject({ code: 'BUS_CLOSED' });
    release.open();
    await closing;
    expect(finished).toBe(true);
    await bus.close();
  });

  test('a group that returns with other types does not get events of its former types', async () => {
    const bus = memoryBus();
    await (await bus.subscribe({ group: 'g', types }, async () => {})).stop();
    await bus.publish([locationOf('vm-1', 1)]);
    const seen = new Recorder();
    await bus.subscribe({ group: 'g', types: letterTypes }, seen.handler);
    await bus.idle();
    expect(seen.deliveries).toEqual([]);
  });

  test('a refused event is delivered alone, also after the latest events', () => {
    const queue = new PartitionQueue();
    const waiting = (n: number) => ({ event: locationOf('vm-1', n), partition: 0, attempt: 1 });
    queue.push(waiting(1));
    queue.take();
    queue.refuse();
    queue.push(waiting(2));
    queue.beginWith([waiting(0)], () => true);
    const batches = [];
    while (queue.ready) {
      batches.push(queue.take().map(({ event, attempt }) => [event.data.atMs, attempt]));
      queue.acknowledge();
    }
    expect(batches).toEqual([[[0, 1]], [[1, 2]], [[2, 1]]]);
  });

  test('the bus drops an early repeat, and no event with a new id', () => {
    const recent = new RecentIds();
    const ids = Array.from({ length: 400_000 }, (_, n) => `loc:vm-${n % 5_000}:user-${n % 7_000}:${n}`);
    const known = ids.filter((id) => !recent.add(id));
    expect(known).toEqual([]);
    const repeats = ids.slice(-1_000).filter((id) => !recent.add(id));
    expect(repeats.length).toBeGreaterThan(950);
  });
});
