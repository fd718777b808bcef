/** The store on NATS, beyond the contract of stores. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { connect } from 'nats';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type NatsStore, natsStore } from '#shared/store/nats.ts';
import { type NatsTestServer, onNats, startNats } from '../servers/nats.ts';

onNats('the store on NATS, beyond the contract', () => {
  let server: NatsTestServer;
  let prefix: string;
  const stores: NatsStore[] = [];
  const open = async () => {
    const store = await natsStore({ servers: server.url, prefix });
    stores.push(store);
    return store;
  };
  beforeEach(async () => {
    server = await startNats();
    prefix = `t${randomUUID().slice(0, 8)}`;
  });
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
    await server.stop();
  });

  test('the store accepts any key, and lists it by any prefix', async () => {
    const store = await open();
    const part = fc.string({
      unit: fc.constantFrom('a', 'B', '7', '.', ':', '@', '+', '~', ' ', '=', '*', '>', '/', 'é'),
    });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(part, { minLength: 1, maxLength: 6 }), part, async (parts, prefix) => {
        const folder = `${randomUUID()}/`;
        const keys = parts.map((each) => folder + each);
        await store.put(keys.map((key) => ({ key, value: key, revision: 0 })));
        const listed = (await store.list<string>(folder + prefix)).map(({ value }) => value).sort();
        expect(listed).toEqual(keys.filter((key) => key.startsWith(folder + prefix)).sort());
      }),
      { numRuns: 40 },
    );
  });

  test('the revision of a delete is valid for no write, also not to create the record again', async () => {
    const store = await open();
    const [first] = await store.put([{ key: 'k', value: 1, revision: 0 }]);
    const [gone] = await store.put([{ key: 'k', value: undefined, revision: first! }]);
    await expect(store.put([{ key: 'k', value: 2, revision: gone! }])).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
    });
    const [again] = await store.put([{ key: 'k', value: 3, revision: 0 }]);
    expect(again).toBeGreaterThan(first!);
  });

  test('one of two processes that write the same record wins', async () => {
    const [a, b] = [await open(), await open()];
    const [revision] = await a.put([{ key: 'k', value: 0, revision: 0 }]);
    const outcomes = await Promise.allSettled(
      [a, b].map((store, value) => store.put([{ key: 'k', value, revision: revision! }])),
    );
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await b.get('k'))?.value).toBe(outcomes[0]?.status === 'fulfilled' ? 0 : 1);
  });

  test('thousands of records are written and listed', async () => {
    const store = await open();
    const writes = Array.from({ length: 5_000 }, (_, n) => ({ key: `vm/${n}`, value: { n }, revision: 0 }));
    const revisions = await store.put(writes);
    const listed = await store.list<{ n: number }>('vm/');
    expect(listed.length).toBe(5_000);
    for (const { value, revision } of listed) expect(revision).toBe(revisions[value.n]);
  });

  test('a write while the server is down happens once after its restart', async () => {
    const store = await open();
    const revisions = await store.put([{ key: 'a', value: 1, revision: 0 }]);
    await server.kill();
    const writing = store.put([
      { key: 'a', value: 2, revision: revisions[0]! },
      { key: 'b', value: 1, revision: 0 },
    ]);
    const listing = store.list('');
    await pause(300);
    await server.restart();
    await writing;
    await listing;
    expect((await store.list('')).map(({ key, value }) => [key, value]).sort()).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
  });

  test('put refuses a record that is too large, names the limit, and writes the other records', async () => {
    const store = await open();
    const put = store.put([
      { key: 'large', value: 'x'.repeat(1_100_000), revision: 0 },
      { key: 'small', value: 'x', revision: 0 },
    ]);
    await expect(put).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE', message: expect.stringContaining('1048576') });
    expect((await store.list('')).map(({ key }) => key)).toEqual(['small']);
  });

  test('the tools of NATS KV can read the records', async () => {
    const store = await open();
    await store.put([{ key: 'placement/vm/desktop-1', value: { home: 'boston' }, revision: 0 }]);
    const nc = await connect({ servers: server.url });
    const kv = await nc.jetstream().views.kv(`${prefix}_records`, { bindOnly: true });
    expect((await kv.get('placement.vm.desktop-1'))?.json()).toEqual({ home: 'boston' });
    await nc.close();
  });
});
