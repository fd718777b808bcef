/** The contract of the store (shared/store/store.ts): one suite for each adapter. It uses the port only. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '#shared/store/store.ts';

/** A new, empty store of an adapter, for one test. */
export interface StoreHarness {
  readonly store: Store;
  /** Opens the same records as a later process does; undefined for a store that ends with its process. */
  reopen?(): Promise<Store>;
  close(): Promise<void>;
}

/** @param options.runs number of random histories of the property test; fewer for slow writes */
export function storeContract(name: string, open: () => Promise<StoreHarness>, { runs = 200 } = {}): void {
  describe(`the store contract, kept by ${name}`, () => {
    let harness: StoreHarness;
    let store: Store;
    beforeEach(async () => {
      harness = await open();
      store = harness.store;
    });
    afterEach(() => harness.close());

    const create = async (key: string, value: unknown): Promise<number> => {
      const [revision] = await store.put([{ key, value, revision: 0 }]);
      return revision!;
    };

    test('a record that was never written does not exist', async () => {
      expect(await store.get('vm/1')).toBeUndefined();
      expect(await store.list('')).toEqual([]);
    });

    test('connected is true on an open store', () => {
      expect(store.connected()).toBe(true);
    });

    test('get returns the written value, with the revision that put returned', async () => {
      const value = { state: 'settled', seq: 3, nested: { list: [1, 'two', null, true] } };
      const revision = await create('vm/1', value);
      expect(await store.get('vm/1')).toEqual({ key: 'vm/1', value, revision });
    });

    test.each([null, 0, '', false, [], {}])('%j is a value like any other', async (value) => {
      await create('k', value);
      expect((await store.get('k'))?.value).toEqual(value);
    });

    test('get, list and put copy values', async () => {
      const value = { sessions: ['alice'] };
      await create('vm/1', value);
      value.sessions.push('mallory');
      const read = await store.get<typeof value>('vm/1');
      read?.value.sessions.push('eve');
      const [listed] = await store.list<typeof value>('vm/');
      listed?.value.sessions.push('trudy');
      expect((await store.get('vm/1'))?.value).toEqual({ sessions: ['alice'] });
    });

    test('a write with the present revision wins, and gets a higher one', async () => {
      const first = await create('vm/1', 'a');
      const [second] = await store.put([{ key: 'vm/1', value: 'b', revision: first }]);
      expect(second).toBeGreaterThan(first);
      expect(await store.get('vm/1')).toEqual({ key: 'vm/1', value: 'b', revision: second });
    });

    test('a write with an older revision fails with STORE_CONFLICT', async () => {
      const first = await create('vm/1', 'a');
      const [second] = await store.put([{ key: 'vm/1', value: 'b', revision: first }]);
      const stale = store.put([{ key: 'vm/1', value: 'c', revision: first }]);
      await expect(stale).rejects.toMatchObject({ code: 'STORE_CONFLICT', message: expect.stringContaining('vm/1') });
      expect(await store.get('vm/1')).toEqual({ key: 'vm/1', value: 'b', revision: second });
    });

    test('revision 0 creates a record, and fails if it exists', async () => {
      await create('vm/1', 'a');
      await expect(create('vm/1', 'b')).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
      expect((await store.get('vm/1'))?.value).toBe('a');
    });

    test('another revision does not create a record', async () => {
      const put = store.put([{ key: 'vm/1', value: 'a', revision: 7 }]);
      await expect(put).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
      expect(await store.get('vm/1')).toBeUndefined();
    });

    test('one of two writes from the same revision wins', async () => {
      const revision = await create('vm/1', 'a');
      const write = (value: string) => store.put([{ key: 'vm/1', value, revision }]);
      const outcomes = await Promise.allSettled([write('b'), write('c')]);
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      const winner = outcomes[0]?.status === 'fulfilled' ? 'b' : 'c';
      expect((await store.get('vm/1'))?.value).toBe(winner);
    });

    test('undefined deletes a record; it can be created again, and its old revisions stay invalid', async () => {
      const first = await create('vm/1', 'a');
      await store.put([{ key: 'vm/1', value: undefined, revision: first }]);
      expect(await store.get('vm/1')).toBeUndefined();
      expect(await store.list('vm/')).toEqual([]);
      const again = await create('vm/1', 'b');
      expect(again).not.toBe(first);
      const stale = store.put([{ key: 'vm/1', value: 'c', revision: first }]);
      await expect(stale).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
    });

    test('a delete with an older revision deletes nothing', async () => {
      const first = await create('vm/1', 'a');
      await store.put([{ key: 'vm/1', value: 'b', revision: first }]);
      const stale = store.put([{ key: 'vm/1', value: undefined, revision: first }]);
      await expect(stale).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
      expect((await store.get('vm/1'))?.value).toBe('b');
    });

    test('a conflict names the keys that lost, and leaves the others written', async () => {
      await create('taken', 'first');
      const put = store.put([
        { key: 'one', value: 1, revision: 0 },
        { key: 'taken', value: 'second', revision: 0 },
        { key: 'two', value: 2, revision: 0 },
      ]);
      const error: Error = await put.then(
        () => expect.fail('the write of "taken" should have lost'),
        (reason) => reason,
      );
      expect(error.message).toContain('taken');
      expect(error.message).not.toContain('one');
      expect([await store.get('one'), await store.get('taken'), await store.get('two')]).toMatchObject([
        { value: 1 },
        { value: 'first' },
        { value: 2 },
      ]);
    });

    test('put gives the revisions in the order of the writes', async () => {
      const revisions = await store.put(['a', 'b', 'c'].map((key) => ({ key, value: key, revision: 0 })));
      const read = await Promise.all(['a', 'b', 'c'].map(async (key) => (await store.get(key))?.revision));
      expect(revisions).toEqual(read);
    });

    test('list gives the records whose key begins with the prefix', async () => {
      for (const key of ['vm/1', 'vm/2', 'vm', 'site/vm/1']) await create(key, key);
      const keys = async (prefix: string) => (await store.list(prefix)).map(({ key }) => key).sort();
      expect(await keys('vm/')).toEqual(['vm/1', 'vm/2']);
      expect(await keys('vm')).toEqual(['vm', 'vm/1', 'vm/2']);
      expect(await keys('')).toEqual(['site/vm/1', 'vm', 'vm/1', 'vm/2']);
      expect(await keys('nobody')).toEqual([]);
      expect(await store.list('vm/1')).toEqual([await store.get('vm/1')]);
    });

    test('a record for which put has resolved exists after a restart', async ({ skip }) => {
      skip(harness.reopen === undefined, 'the records of this store end with the process');
      const revision = await create('vm/1', 'a');
      const later = await harness.reopen!();
      expect(await later.get('vm/1')).toEqual({ key: 'vm/1', value: 'a', revision });
      await later.close();
    });

    test('the store holds the values of the winning writes after any sequence of writes', async () => {
      const writes = fc.array(
        fc.record({
          key: fc.nat(3),
          // The number of revisions behind the present one; with 0, the write must win.
          behind: fc.nat(2),
          value: fc.option(fc.jsonValue(), { nil: undefined, freq: 3 }),
        }),
      );
      let run = 0;
      await fc.assert(
        fc.asyncProperty(writes, async (history) => {
          const prefix = `run-${run++}/`;
          const model = new Map<string, { value: unknown; revisions: number[] }>();
          for (const { key: number, behind, value } of history) {
            const key = `${prefix}${number}`;
            const { revisions } = model.get(key) ?? { revisions: [0] };
            const revision = revisions.at(-1 - behind) ?? -1;
            const put = store.put([{ key, value, revision }]);
            if (revision !== revisions.at(-1)) {
              await expect(put).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
              continue;
            }
            const [next] = await put;
            model.set(key, { value, revisions: [...revisions, value === undefined ? 0 : next!] });
          }
          const there = [...model].filter(([, { value }]) => value !== undefined);
          const expected = there.map(([key, { value, revisions }]) => ({ key, value, revision: revisions.at(-1) }));
          const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
          expect((await store.list(prefix)).sort(byKey)).toEqual(
            expected.map((record) => JSON.parse(JSON.stringify(record))).sort(byKey),
          );
        }),
        { numRuns: runs },
      );
    }, 120_000);
  });
}
