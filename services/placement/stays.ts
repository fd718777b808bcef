/**
 * The forecast of stays in the store: one record for each partition, with what its VMs' users did since the start. The placement that
 * holds the partition adds a period to it and publishes the same counts; all placements add them to their forecasts. A placement that
 * starts, or that takes over a partition, reads all records.
 */
import Type, { type Static } from 'typebox';
import { StayBin } from '#shared/events/bounds.ts';
import { type Event, envelop } from '#shared/events/index.ts';
import { batchesOf, type VmStays } from '#shared/policy/state/ended-stays.ts';
import { Forecast, PERIOD_MS, type StayBatch, type StayCount, weekOf } from '#shared/policy/state/forecast.ts';
import { Amount, Count, closed, Figure, Name, recordKind } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { isUnreadable, listRecords, updateRecord } from '#shared/store/update.ts';

const PREFIX = 'placement/stays/';
const SOURCE = '/tagalong/placement';
/** The most counts of a record. Of more, the least are dropped. */
const MOST_COUNTS = 32_768;

/** A count as four numbers: the site and the site before, as indices of `sites` (-1: none is known), the bin, the stays. */
const Counts = Type.Array(Type.Tuple([Count, Figure, StayBin, Amount]), { maxItems: MOST_COUNTS });

const StoredStays = Type.Object(
  {
    /** The last period that was added. */
    period: Count,
    /** Names of the sites that the counts refer to. */
    sites: Type.Array(Name),
    /** The counts up to the period before, halved for each week that had passed by then. */
    past: Counts,
    /** The counts of the last period. It may not count yet: see `Forecast`. */
    last: Counts,
  },
  closed,
);
/** Stays as they lie in the store. */
type StoredStays = Static<typeof StoredStays>;

/** The kind of these records. */
export const STAYS_RECORD = recordKind({
  kind: 'stays',
  keys: `${PREFIX}<partition>`,
  owner: 'placement',
  version: 0,
  schema: StoredStays,
  upgrade: {},
});

/** The forecast from all records that can be read; the others are set aside. @throws TagalongError of the store */
export async function loadForecast(store: Store, setAside?: SetAside): Promise<Forecast> {
  const forecast = new Forecast();
  for (const { key, value } of await listRecords(store, STAYS_RECORD, PREFIX, setAside)) {
    const partition = Number(key.slice(PREFIX.length));
    const { period, sites, past, last } = value;
    forecast.restore({ partition, period: period - 1, counts: named(past, sites) });
    forecast.add({ partition, period, counts: named(last, sites) });
  }
  return forecast;
}

/**
 * Adds stays to the records of their partitions. A period counts once, even where it comes again after a crash; its event is then
 * published again. Counts for a record that cannot be read are published only.
 * @returns the events to publish
 * @throws TagalongError STORE_CONFLICT where another process holds the partition by now
 */
export async function addStays(
  store: Store,
  stays: readonly VmStays[],
  partitions: number,
  setAside?: SetAside,
): Promise<Event[]> {
  const byPartition = Map.groupBy(batchesOf(stays, partitions), ({ partition }) => partition);
  const added = await Promise.all(
    [...byPartition].map(([partition, batches]) => addToPartition(store, partition, batches, setAside)),
  );
  return added.flat().map((batch) => {
    const atMs = (batch.period + 1) * PERIOD_MS;
    const data = { ...batch, counts: [...batch.counts], atMs };
    return envelop({ type: 'stays.counted.v1', data }, `stays:${batch.partition}:${batch.period}`, SOURCE);
  });
}

/** @returns the batches that have to be published: new ones, and the last one where it comes again */
async function addToPartition(
  store: Store,
  partition: number,
  batches: readonly StayBatch[],
  setAside?: SetAside,
): Promise<readonly StayBatch[]> {
  let published = batches;
  try {
    await updateRecord(store, STAYS_RECORD, PREFIX + partition, (present) => {
      const lastPeriod = present?.period ?? -1;
      const news = batches.filter(({ period }) => period > lastPeriod);
      // Perhaps it was not published. The counts of the record, because VMs may have forgotten their stays by now.
      const again = present !== undefined && batches.some(({ period }) => period === lastPeriod);
      published = again
        ? [{ partition, period: lastPeriod, counts: named(present.last, present.sites) }, ...news]
        : news;
      if (news.length === 0) return undefined;
      let next = present ?? { period: 0, sites: [], past: [], last: [] };
      for (const batch of news) next = grown(next, batch);
      return { value: next };
    });
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    setAside?.add(STAYS_RECORD, PREFIX + partition, error);
  }
  return published;
}

/** A record with one more period. */
function grown({ period, sites, past, last }: StoredStays, batch: StayBatch): StoredStays {
  const sums = new Map<string, StayCount>();
  const add = (counts: readonly StayCount[], factor: number) => {
    for (const count of counts) {
      const key = JSON.stringify([count.site, count.from, count.bin]);
      sums.set(key, { ...count, stays: (sums.get(key)?.stays ?? 0) + count.stays * factor });
    }
  };
  // `past` is of the week of the period before the last one.
  add(named(past, sites), 2 ** (weekOf(period - 1) - weekOf(period)));
  add(named(last, sites), 1);
  // It was of the week of the period that was the last one; now it is of the week of the period before the new one.
  const factor = 2 ** (weekOf(period) - weekOf(batch.period - 1));
  const most = [...sums.values()].sort((a, b) => b.stays - a.stays).slice(0, MOST_COUNTS);
  const index = new Map<string, number>();
  const indexOf = (site: string) => {
    const known = index.get(site) ?? index.size;
    index.set(site, known);
    return known;
  };
  const numbered = (counts: readonly StayCount[], by: number): StoredStays['past'] =>
    counts.map(({ site, from, bin, stays }) => [
      indexOf(site),
      from === undefined ? -1 : indexOf(from),
      bin,
      stays * by,
    ]);
  const [nextPast, nextLast] = [numbered(most, factor), numbered(batch.counts, 1)];
  return { period: batch.period, sites: [...index.keys()], past: nextPast, last: nextLast };
}

function named(counts: StoredStays['past'], sites: readonly string[]): StayCount[] {
  return counts.flatMap(([site, from, bin, stays]) => {
    const [name, before] = [sites[site], sites[from]];
    return name === undefined ? [] : [{ site: name, ...(before !== undefined && { from: before }), bin, stays }];
  });
}
