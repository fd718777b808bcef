import { expect, test } from 'vitest';
import { PLACE_RECORD } from '#services/sites/place-records.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { OwnedRecords } from '#shared/store/owned-records.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';

const owned = (store: Store) => new OwnedRecords({ store, kind: PLACE_RECORD, prefix: 'a/' });
const setAside = new SetAside({ log: createLog('silent'), clock: virtualClock() });

test('a former leader does not overwrite its successor', async () => {
  const store = memoryStore();
  const [old, next] = [owned(store), owned(store)];
  await old.write('vm-1', { site: 'ham' });
  expect([...(await next.load(setAside))]).toEqual([['vm-1', { site: 'ham' }]]);
  await next.write('vm-1', { site: 'ber' });
  await expect(old.write('vm-1', { site: 'muc' })).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
  await expect(old.write('vm-1', undefined)).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
  expect((await store.get('a/vm-1'))?.value).toEqual({ v: 1, site: 'ber' });
});

test('a deleted record can be written again', async () => {
  const store = memoryStore();
  const records = owned(store);
  await records.write('vm-1', { site: 'ham' });
  await records.write('vm-1', undefined);
  expect([records.get('vm-1'), records.size]).toEqual([undefined, 0]);
  await records.write('vm-1', { site: 'ber' });
  expect(records.names(({ site }) => site === 'ber')).toEqual(['vm-1']);
});

test('an unreadable record is set aside, and not among the others', async () => {
  const store = memoryStore();
  await store.put([{ key: 'a/vm-1', value: { v: 99 }, revision: 0 }]);
  const records = owned(store);
  expect((await records.load(setAside)).size).toBe(0);
  expect([records.isUnreadable('vm-1'), records.isUnreadable('vm-2')]).toEqual([true, false]);
  expect(setAside.list().map(({ key }) => key)).toEqual(['a/vm-1']);
  records.forget();
  expect(setAside.list(), 'another process leads now').toEqual([]);
});
