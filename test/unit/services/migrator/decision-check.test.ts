import { expect, test } from 'vitest';
import { decisionCheck } from '#services/migrator/decision-check.ts';
import { keyOf, VM_PREFIX } from '#services/placement/keys.ts';
import { type Data, envelop } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { writeOrder } from '../../../placement-order.ts';
import { core, decided } from '../../shared/migration/world.ts';

type Decided = Data<'placement.decided.v1'>;
const MIN_MS = 60_000;
const AT_MS = Date.UTC(2030, 0, 1);
const PARTITIONS = 4;

const decision = (seq: number, more: Partial<Decided> = {}) => decided('v', seq, { atMs: AT_MS, ...more });
const deliveryOf = (fact: ReturnType<typeof decided>) =>
  ({ event: envelop(fact, `e${JSON.stringify(fact).length}`, '/test'), partition: 0 }) as never;

/** Placement has ordered move 3 of `v`, from `a` to `b`. */
async function world(outbox: readonly unknown[] = []) {
  const store = memoryStore();
  await writeOrder(store, decision(3).data as Decided, PARTITIONS);
  const key = VM_PREFIX + keyOf('v', PARTITIONS);
  const { value, revision } = (await store.get<object>(key))!;
  await store.put([{ key, value: { ...value, outbox }, revision }]);
  return store;
}
const checkOf = (store: Store) => decisionCheck({ store, log: createLog('silent'), partitions: PARTITIONS });
/** True if the decision is admitted; and the number of decisions that were refused as forged. */
async function judged(store: Store, fact: ReturnType<typeof decided>, migrations = core()) {
  const check = checkOf(store);
  const admitted = await check.admit([deliveryOf(fact)], migrations);
  return [admitted.length === 1, check.refused];
}

test('the move that placement ordered is admitted', async () => {
  expect(await judged(await world(), decision(3))).toEqual([true, 0]);
});

test.each<[string, Partial<Decided> & { readonly seq?: number }]>([
  ['a number that placement has not reached', { seq: 4, decision: 'v:4' }],
  ['the name of another decision', { decision: 'v:2' }],
  ['another source', { from: 'c' }],
  ['another destination', { to: 'c' }],
  ['a time after the last that placement has seen of the VM', { atMs: AT_MS + 2 * MIN_MS }],
])('a move with %s is refused', async (_, more) => {
  expect(await judged(await world(), decision(3, more))).toEqual([false, 1]);
});

test('a move of a VM that placement does not have is refused', async () => {
  expect(await judged(await world(), decided('ghost', 1, { atMs: AT_MS }))).toEqual([false, 1]);
});

test('a move that placement has ended since is ignored, and not counted as forged', async () => {
  expect(await judged(await world(), decision(2))).toEqual([false, 0]);
});

test('while the event is in the record, times and figures have to be the same', async () => {
  const store = await world([envelop(decision(3), 'v:3', '/test')]);
  const { spec } = decision(3).data as Decided;
  expect(await judged(store, decision(3))).toEqual([true, 0]);
  expect(await judged(store, decision(3, { atMs: AT_MS - 1 }))).toEqual([false, 1]);
  expect(await judged(store, decision(3, { spec: { ...spec!, ramBytes: 2 } }))).toEqual([false, 1]);
});

test('a cancel is admitted if placement cancels that move', async () => {
  const store = await world();
  const cancel = decision(4, { verdict: 'cancel', cancels: 'v:3' });
  expect(await judged(store, cancel)).toEqual([false, 1]);
  expect(await judged(store, decision(3, { verdict: 'cancel', cancels: 'v:3' }))).toEqual([false, 1]);
  const key = VM_PREFIX + keyOf('v', PARTITIONS);
  const stored = (await store.get<{ v: number; value: { mind: { seq: number; move: object } } }>(key))!;
  const { mind } = stored.value.value;
  const cancelling = { ...mind, seq: 4, move: { ...mind.move, cancelling: true } };
  const value = { ...stored.value, value: { ...stored.value.value, mind: cancelling } };
  await store.put([{ key, value, revision: stored.revision }]);
  expect(await judged(store, cancel)).toEqual([true, 0]);
  expect(await judged(store, decision(4, { verdict: 'cancel', cancels: 'v:3', to: 'c' }))).toEqual([false, 1]);
});

test('a record that cannot be read proves nothing: the decision is admitted', async () => {
  const store = await world();
  const key = VM_PREFIX + keyOf('v', PARTITIONS);
  await store.put([{ key, value: { v: 99 }, revision: (await store.get(key))!.revision }]);
  expect(await judged(store, decision(4))).toEqual([true, 0]);
});

test('without the store, no decision of the batch is admitted: the bus delivers it again', async () => {
  const store: Store = { ...(await world()), get: () => Promise.reject(new Error('no answer')) };
  await expect(judged(store, decision(3))).rejects.toThrow('no answer');
});

test('repeats and other events are admitted without a look-up', async () => {
  const store: Store = { ...(await world()), get: () => expect.fail('no look-up is expected') };
  const migrations = core();
  migrations.apply(decision(3));
  expect(await judged(store, decision(3), migrations)).toEqual([true, 0]);
  expect(await judged(store, decision(9, { verdict: 'stay' }), migrations)).toEqual([true, 0]);
});
