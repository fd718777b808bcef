import { afterAll, beforeAll, expect, test } from 'vitest';
import { kafkaStore } from '#shared/store/kafka.ts';
import { freshPrefix, type KafkaServers, startKafka } from '../servers/kafka.ts';
import { compactedStore } from '../servers/kafka-compaction.ts';
import { onKafka } from '../servers/on-kafka.ts';
import { type StoreHarness, storeContract } from './store.ts';

const timing = { sessionTimeoutMs: 6_000, heartbeatMs: 100 };

onKafka('on Kafka', () => {
  let servers: KafkaServers;
  beforeAll(async () => {
    servers = await startKafka();
  }, 60_000);
  afterAll(() => servers?.stop());
  const open = (prefix: string) => kafkaStore({ brokers: servers.brokers, prefix, replication: 1, timing });

  storeContract(
    'the Kafka store',
    async (): Promise<StoreHarness> => {
      const prefix = freshPrefix();
      const store = await open(prefix);
      return { store, reopen: () => open(prefix), close: () => store.close() };
    },
    { runs: 10 },
  );

  test('a get sees what another process has written', async () => {
    const prefix = freshPrefix();
    const [a, b] = await Promise.all([open(prefix), open(prefix)]);
    let revision = 0;
    for (let n = 1; n <= 50; n++) {
      [revision] = (await a.put([{ key: 'k', value: n, revision }])) as [number];
      // At the same time, because simultaneous gets share a request.
      const seen = await Promise.all([b.get('k'), b.get('k'), b.get('k')]);
      expect(seen).toEqual(Array(3).fill({ key: 'k', value: n, revision }));
    }
    await Promise.all([a.close(), b.close()]);
  });

  test('a write with the revision of another process wins, also before its record is read', async () => {
    const prefix = freshPrefix();
    const [a, b] = await Promise.all([open(prefix), open(prefix)]);
    const [first] = await a.put([{ key: 'k', value: 'a', revision: 0 }]);
    await b.put([{ key: 'k', value: 'b', revision: first! }]);
    expect((await a.get('k'))?.value).toBe('b');
    await Promise.all([a.close(), b.close()]);
  });

  test('writers in several processes that increment one counter lose no increment', async () => {
    const prefix = freshPrefix();
    const stores = await Promise.all([open(prefix), open(prefix), open(prefix)]);
    let conflicts = 0;
    await Promise.all(
      stores.map(async (store) => {
        for (let won = 0; won < 30; ) {
          const { value = 0, revision = 0 } = (await store.get<number>('count')) ?? {};
          try {
            await store.put([{ key: 'count', value: value + 1, revision }]);
            won++;
          } catch (error) {
            expect(error).toMatchObject({ code: 'STORE_CONFLICT' });
            conflicts++;
          }
        }
      }),
    );
    expect(conflicts).toBeGreaterThan(0);
    for (const store of stores) expect((await store.get('count'))?.value).toBe(90);
    await Promise.all(stores.map((store) => store.close()));
  });

  test('compaction removes superseded records, and nothing else', async () => {
    const prefix = freshPrefix();
    const { compact, recordsIn } = await compactedStore(servers.brokers, `${prefix}.store`);
    const [a, b] = await Promise.all([open(prefix), open(prefix)]);
    const revisions = new Map<string, number>();
    for (let n = 0; n < 60; n++) {
      const key = `vm/${n % 6}`;
      const revision = revisions.get(key) ?? 0;
      const value = n % 12 === 5 ? undefined : n;
      const write = (store: typeof a, say: string) => store.put([{ key, value: value && { n, say }, revision }]);
      const both = await Promise.allSettled([write(a, 'a'), write(b, 'b')]);
      expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      revisions.set(key, (await b.get(key))?.revision ?? 0);
    }
    const before = await a.list('');
    expect(before.length).toBeGreaterThan(3);
    await compact(a);
    // The writers wrote 120 claims of 6 records. The broker decides how many it removes at a time.
    expect(await recordsIn()).toBeLessThan(100);

    const late = await open(prefix);
    const byKey = (list: typeof before) =>
      list.filter(({ key }) => key.startsWith('vm/')).sort((x, y) => (x.key < y.key ? -1 : 1));
    expect(byKey(await late.list(''))).toEqual(byKey(before));
    for (const { key, revision } of byKey(before)) {
      await late.put([{ key, value: 'late', revision }]);
      await expect(a.put([{ key, value: 'stale', revision }])).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
    }
    await Promise.all([a.close(), b.close(), late.close()]);
  }, 60_000);

  test('the store opens with any number of old versions in its log', async () => {
    const prefix = freshPrefix();
    await (await open(prefix)).close();
    const { inject } = await compactedStore(servers.brokers, `${prefix}.store`);
    const [versions, atOnce] = [150_000, 10_000];
    for (let from = 1; from <= versions; from += atOnce) {
      const claims = Array.from({ length: atOnce }, (_, i) => from + i);
      await inject(
        claims.map((version) => ({
          key: `k@${version}@w`,
          value: `${version}`,
          headers: { key: 'k', version: `${version}` },
        })),
      );
    }
    const store = await open(prefix);
    expect(await store.get('k')).toEqual({ key: 'k', value: versions, revision: versions });
    await store.close();
  }, 120_000);

  test('the store refuses a record that is too long, and writes the others', async () => {
    const store = await open(freshPrefix());
    const long = store.put([{ key: 'long', value: 'x'.repeat(1_000_000), revision: 0 }]);
    await expect(long).rejects.toMatchObject({ code: 'RECORD_TOO_LONG' });
    expect(await store.put([{ key: 'short', value: 'x', revision: 0 }])).toEqual([1]);
    await store.close();
  });

  test('the store skips foreign messages in its topic', async () => {
    const prefix = freshPrefix();
    const store = await open(prefix);
    await store.put([{ key: 'k', value: 1, revision: 0 }]);
    const { inject } = await compactedStore(servers.brokers, `${prefix}.store`);
    await inject([
      { key: 'k', value: 'garbage' },
      { key: 'other', value: Buffer.from([0xff, 0xfe]), headers: { key: 'k' } },
      { key: 'k@2@x', value: '{}', headers: { key: 'k', version: 'two' } },
    ]);
    expect(await store.get('k')).toEqual({ key: 'k', value: 1, revision: 1 });
    await store.close();
  });
});
