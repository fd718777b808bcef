import Type from 'typebox';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Outbox } from '#services/runtime/outbox.ts';
import { PartitionedService } from '#services/runtime/partitioned-service.ts';
import type { Bus } from '#shared/bus/bus.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import type { Core } from '#shared/core.ts';
import { TagalongError } from '#shared/errors.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { recordKind } from '#shared/store/records.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';

const KIND = recordKind({
  ...{ kind: 'sum', keys: 'test/sum', owner: 'a test', version: 1 },
  schema: Type.Object({ n: Type.Number() }),
  upgrade: {},
});

/** A core whose state is one number. */
class Sum implements Core<number | undefined> {
  #n: number;
  #changed = false;

  constructor(n: number) {
    this.#n = n;
  }

  add(n: number): number {
    this.#changed = true;
    this.#n += n;
    return this.#n;
  }

  apply() {}
  advance() {}
  nextWakeMs() {
    return undefined;
  }

  drain() {
    const n = this.#changed ? this.#n : undefined;
    this.#changed = false;
    return n;
  }
}

/** Starts a service with a sum as its core. `seen` records each load. */
async function counter() {
  const seen: string[] = [];
  let onPut = () => {};
  let assign = (_: readonly number[]) => {};
  const [clock, log, memory] = [virtualClock(), createLog('silent'), memoryStore()];
  const store: Store = {
    ...memory,
    async put(writes) {
      const hook = onPut;
      onPut = () => {};
      hook();
      return memory.put(writes);
    },
  };
  const onMemory = memoryBus({ partitions: 1 });
  const bus: Bus = {
    ...onMemory,
    subscribe(options, handler) {
      if (options.group === 'test' && 'assigned' in options && options.assigned) assign = options.assigned;
      return onMemory.subscribe(options, handler);
    },
  };
  const outbox = new Outbox({ store, bus, prefix: 'test/', kind: KIND, setAside: new SetAside({ log, clock }), clock });
  const service = new PartitionedService<Sum, number | undefined, { n: number }>({
    ...{ group: 'test', types: [], bus, clock, log, outbox, core: new Sum(Number.NaN) },
    steps: {
      async load() {
        seen.push('load');
        const [kept] = await outbox.load();
        return () => new Sum(kept?.value.n ?? 0);
      },
      toChanges: (n) => ({ records: n === undefined ? [] : [{ key: 'sum', value: { n }, events: [] }] }),
      onWritten() {},
    },
  });
  await service.start();
  onTestFinished(() => service.stop());
  return {
    ...{ service, seen },
    add: (n: number) => service.work((sum) => sum.add(n)),
    refuse: () =>
      service.work(() => {
        throw new TagalongError('MOVE_REFUSED', 'a test');
      }),
    crash: () =>
      service.work((sum) => {
        sum.add(-100);
        throw new Error('halfway');
      }),
    onNextWrite(hook: () => void) {
      onPut = hook;
    },
    /** Assigns the partition again. */
    assignAgain: () => assign([0]),
  };
}

describe('a partitioned service', () => {
  test('loads its state once, before the first change', async () => {
    const { add, seen } = await counter();
    expect([await add(1), await add(2)]).toEqual([1, 3]);
    expect(seen).toEqual(['load']);
  });

  test('makes one change at a time, in order', async () => {
    const { add, service } = await counter();
    const all = [add(1), add(10), add(100)];
    expect(service.busy).toBe(true);
    expect(await Promise.all(all)).toEqual([1, 11, 111]);
    await service.idle();
    expect(service.busy).toBe(false);
  });

  test('keeps its state after a refusal', async () => {
    const { add, refuse, seen, service } = await counter();
    await add(1);
    await expect(refuse()).rejects.toMatchObject({ code: 'MOVE_REFUSED' });
    expect(service.ready()).toBe(true);
    expect(await add(1)).toBe(2);
    expect(seen).toEqual(['load']);
  });

  test('loads its state again after an error in the middle of a change', async () => {
    const { add, crash, seen } = await counter();
    await add(1);
    await expect(crash()).rejects.toThrow('halfway');
    expect(await add(1)).toBe(2);
    expect(seen).toEqual(['load', 'load']);
  });

  test.each([
    ['a conflict', new TagalongError('STORE_CONFLICT', 'a test')],
    ['a closed bus', new TagalongError('BUS_CLOSED', 'a test')],
    ['an unreachable store', new Error('a test')],
  ])('loads its state again after a change that was not written: %s', async (_, error) => {
    const { add, onNextWrite, seen, service } = await counter();
    await add(1);
    onNextWrite(() => {
      throw error;
    });
    await expect(add(50)).rejects.toThrow(error);
    const code = error instanceof TagalongError ? error.code : 'INTERNAL';
    expect(service.ready()).toBe(`its state could not be written (${code})`);
    expect(await add(1)).toBe(2);
    expect(seen).toEqual(['load', 'load']);
    expect(service.ready()).toBe(true);
  });

  test('loads its state again before the next change after a new assignment, also during a write', async () => {
    const { add, seen, assignAgain, onNextWrite } = await counter();
    await add(1);
    assignAgain();
    expect(await add(1)).toBe(2);
    expect(seen).toEqual(['load', 'load']);
    onNextWrite(assignAgain);
    await add(1);
    expect(await add(1)).toBe(4);
    expect(seen).toEqual(['load', 'load', 'load']);
  });
});
