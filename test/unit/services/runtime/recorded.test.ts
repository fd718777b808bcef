import { describe, expect, test } from 'vitest';
import { recorded } from '#services/runtime/recorded.ts';
import { TagalongError } from '#shared/errors.ts';

/** A core that is one number, a store that is another, and what is done to them in order. */
function counter() {
  const seen: string[] = [];
  let core = Number.NaN;
  let stored = 0;
  let fault: Error | undefined;
  const state = recorded({
    load: async () => {
      seen.push('load');
      core = stored;
    },
    commit: async () => {
      await undefined;
      const failing = fault;
      fault = undefined;
      if (failing) throw failing;
      stored = core;
    },
  });
  return {
    ...{ state, seen },
    add: (n: number) =>
      state.work(() => {
        core += n;
        return core;
      }),
    refuse: () =>
      state.work(() => {
        throw new TagalongError('MOVE_REFUSED', 'a test');
      }),
    crash: () =>
      state.work(() => {
        core = -100;
        throw new Error('halfway');
      }),
    failNext: (error: Error) => {
      fault = error;
    },
  };
}

describe('a recorded core', () => {
  test('is loaded before the first change, and then no more', async () => {
    const { add, seen } = counter();
    expect([await add(1), await add(2)]).toEqual([1, 3]);
    expect(seen).toEqual(['load']);
  });

  test('takes one change at a time, in the order they came', async () => {
    const { add, state } = counter();
    const all = [add(1), add(10), add(100)];
    expect(state.busy).toBe(true);
    expect(await Promise.all(all)).toEqual([1, 11, 111]);
    await state.idle();
    expect(state.busy).toBe(false);
  });

  test('a refusal changes nothing, and nothing is loaded anew', async () => {
    const { add, refuse, seen, state } = counter();
    await add(1);
    await expect(refuse()).rejects.toMatchObject({ code: 'MOVE_REFUSED' });
    expect(state.lastWriteOk).toBe(true);
    expect(await add(1)).toBe(2);
    expect(seen).toEqual(['load']);
  });

  test('what was changed halfway is forgotten', async () => {
    const { add, crash, seen } = counter();
    await add(1);
    await expect(crash()).rejects.toThrow('halfway');
    expect(await add(1)).toBe(2);
    expect(seen).toEqual(['load', 'load']);
  });

  test.each([
    ['another was first', new TagalongError('STORE_CONFLICT', 'a test')],
    ['the bus takes nothing', new TagalongError('BUS_CLOSED', 'a test')],
    ['the store is away', new Error('a test')],
  ])('what could not be written is forgotten: %s', async (_, error) => {
    const { add, failNext, seen, state } = counter();
    await add(1);
    failNext(error);
    await expect(add(50)).rejects.toThrow(error);
    const code = error instanceof TagalongError ? error.code : 'INTERNAL';
    expect(state.lastWriteOk).toBe(`its state could not be written (${code})`);
    expect(await add(1)).toBe(2);
    expect(seen).toEqual(['load', 'load']);
    expect(state.lastWriteOk).toBe(true);
  });

  test('what is outdated is loaded anew before the next change, also where that is learnt while it is written', async () => {
    const { add, seen, state } = counter();
    await add(1);
    state.invalidate();
    expect(await add(1)).toBe(2);
    expect(seen).toEqual(['load', 'load']);
    const writing = add(1);
    await undefined;
    state.invalidate();
    await writing;
    await add(1);
    expect(seen).toEqual(['load', 'load', 'load']);
  });
});
