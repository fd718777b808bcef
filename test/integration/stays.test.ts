/** Stays in the store: a placement that starts forecasts as one that has received all events. */
import { expect, test } from 'vitest';
import { addStays, loadForecast } from '#services/placement/stays.ts';
import type { Event } from '#shared/events/index.ts';
import type { VmStays } from '#shared/policy/state/ended-stays.ts';
import { Forecast, PERIOD_MS } from '#shared/policy/state/forecast.ts';
import { memoryStore } from '#shared/store/memory.ts';

const PARTITIONS = 4;
const WEEK = (7 * 24 * 3_600_000) / PERIOD_MS;
const FIRST = 3000 * WEEK - 5;

const stayed = (vm: string, period: number, site: string, from: string | null, ms: number): VmStays => ({
  ...{ vm, period, stays: [{ site, from, ms, period }] },
});
/** Ten VMs, for some periods around the end of a week. */
const WHOLE = Array.from({ length: 12 }, (_, i) =>
  Array.from({ length: 10 }, (_, vm) =>
    stayed(`v${vm}`, FIRST + i, `s${(i + vm) % 3}`, vm % 4 === 0 ? null : `s${vm % 3}`, (i + 1) * vm * 7_000),
  ),
);

const receive = (forecast: Forecast, events: readonly Event[]) => {
  for (const event of events) if (event.type === 'stays.counted.v1') forecast.add(event.data);
};
const at = (period: number) => (period + 1) * PERIOD_MS;

test('a placement that starts at any time knows what the others know, and uses it from the same instant on', async () => {
  const store = memoryStore();
  const listening = new Forecast();
  for (const [i, stays] of WHOLE.entries()) {
    receive(listening, await addStays(store, stays, PARTITIONS));
    const started = await loadForecast(store);
    for (const ahead of [0, 1, 2]) {
      const nowMs = at(FIRST + i + ahead);
      // Merging is not undone, so each is asked at its own copy.
      const fresh = await loadForecast(store);
      if (ahead === 0) expect(fresh.summary(nowMs)).toEqual(listening.summary(nowMs));
      else expect(fresh.summary(nowMs)).toEqual(started.summary(nowMs));
    }
  }
  const stays = listening.summary(at(FIRST + 20)).reduce((sum, site) => sum + site.stays, 0);
  // Five periods are of the week before.
  expect(stays).toBe(50 / 2 + 70);
});

test('a period counts once, where it comes again after a crash; its event is published again', async () => {
  const store = memoryStore();
  const events = await addStays(store, WHOLE[0]!, PARTITIONS);
  const again = await addStays(store, WHOLE[0]!, PARTITIONS);
  expect(events.length).toBeGreaterThan(1);
  expect(again).toEqual(events);
  await addStays(store, WHOLE[1]!, PARTITIONS);
  expect(await addStays(store, WHOLE[0]!, PARTITIONS)).toEqual([]);
  const sum = (await loadForecast(store)).summary(at(FIRST + 3)).reduce((n, { stays }) => n + stays, 0);
  expect(sum).toBe(20);
});

test('events name no user and no VM', async () => {
  const events = await addStays(memoryStore(), WHOLE[0]!, PARTITIONS);
  expect(JSON.stringify(events.map(({ data }) => data))).not.toMatch(/"v\d/);
});
