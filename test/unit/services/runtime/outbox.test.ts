import Type from 'typebox';
import { describe, expect, test } from 'vitest';
import { Outbox } from '#services/runtime/outbox.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { type Event, envelop } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { recordKind } from '#shared/store/records.ts';
import { SetAside } from '#shared/store/set-aside.ts';

const event = (id: string, vm = 'v') => envelop({ type: 'vm.retired.v1', data: { vm, atMs: 1 } }, id, '/test');

const KIND = recordKind({
  kind: 'test',
  keys: 'test/<name>',
  owner: 'test',
  version: 1,
  schema: Type.Object({ n: Type.Number() }),
  upgrade: { 0: (old) => old },
});

function world() {
  const clock = virtualClock(1);
  const setAside = new SetAside({ log: createLog('silent'), clock });
  const store = memoryStore();
  const bus = memoryBus();
  const published: string[] = [];
  let broken = false;
  const recording = {
    ...bus,
    publish: async (events: readonly Event[]) => {
      if (broken) throw new Error('the bus is away');
      published.push(...events.map(({ id }) => id));
    },
  };
  return {
    ...{ store, published },
    setAside,
    outbox: () => new Outbox({ store, bus: recording, prefix: 'test/', kind: KIND, setAside, clock }),
    breakBus: (now: boolean) => {
      broken = now;
    },
  };
}

describe('the outbox', () => {
  test('loads the written value of each key', async () => {
    const { outbox } = world();
    const mine = outbox();
    await mine.commit([{ key: 'a', value: { n: 1 }, events: [] }]);
    await mine.commit([{ key: 'a', value: { n: 2 }, events: [] }]);
    expect(await outbox().load()).toEqual([{ key: 'a', value: { n: 2 } }]);
  });

  test('publishes the events of a change only if the change is written', async () => {
    const { outbox, published } = world();
    const [mine, other] = [outbox(), outbox()];
    await other.commit([{ key: 'a', value: { n: 1 }, events: [event('theirs')] }]);
    const lost = mine.commit([{ key: 'a', value: { n: 2 }, events: [event('mine')] }]);
    await expect(lost).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
    expect(published).toEqual(['theirs']);
  });

  test('publishes the events of written records, although another record lost', async () => {
    const { outbox, published } = world();
    const [mine, other] = [outbox(), outbox()];
    await other.commit([{ key: 'a', value: { n: 1 }, events: [event('theirs')] }]);
    const partly = mine.commit([
      { key: 'a', value: { n: 2 }, events: [event('lost')] },
      { key: 'b', value: { n: 2 }, events: [event('won')] },
      { key: 'c', value: { n: 2 }, events: [] },
    ]);
    await expect(partly).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
    expect(published).toEqual(['theirs', 'won']);
  });

  test('a process that lost a write goes on after it has loaded again', async () => {
    const { outbox, published } = world();
    const [mine, other] = [outbox(), outbox()];
    await other.commit([{ key: 'a', value: { n: 1 }, events: [] }]);
    await expect(mine.commit([{ key: 'a', value: { n: 2 }, events: [] }])).rejects.toThrow();
    expect(await mine.load()).toEqual([{ key: 'a', value: { n: 1 } }]);
    await mine.commit([{ key: 'a', value: { n: 3 }, events: [event('mine')] }]);
    expect(published).toEqual(['mine']);
  });

  test('publishes written events that were not published, with the same ids, when it loads', async () => {
    const { outbox, published, breakBus } = world();
    breakBus(true);
    await expect(
      outbox().commit([{ key: 'a', value: { n: 1 }, events: [event('e1'), event('e2')] }]),
    ).rejects.toThrow();
    expect(published).toEqual([]);
    breakBus(false);
    await outbox().load();
    expect(published).toEqual(['e1', 'e2']);
  });

  test('ignores records under another prefix', async () => {
    const { outbox, store } = world();
    await store.put([{ key: 'tests/a', value: { value: { n: 1 }, outbox: [] }, revision: 0 }]);
    expect(await outbox().load()).toEqual([]);
  });
});
