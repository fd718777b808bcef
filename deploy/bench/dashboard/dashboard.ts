/**
 * Measures the dashboard: the browser's drawing, the server's sending, the time from a location to its pixel, and the locations a
 * second that ingest accepts over HTTP. Users move by random waypoint at 1 to 30 m/s, each with a VM of their own, and report every
 * ten seconds. All services run in this process; the browser and the HTTP sender run in others.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createSystem, type System } from '#services/process/system.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { nearestRank } from '#simulations/statistics.ts';
import { atMost, type BenchReport, type BenchRow, benchReport } from '../bench.ts';
import { openPage, type PageUnderTest } from './browser.ts';
import { type Crowd, createCrowd, gridOfSites, VM } from './crowd.ts';
import { ingestRows } from './ingest.ts';

export interface DashboardOptions {
  readonly seed: number;
  /** True: few users for a few seconds. This checks that the benchmark runs; it measures nothing. */
  readonly quick: boolean;
}

/** Duration of the measurement of each state. */
const LOOK_MS = 10_000;
const QUICK_MS = 1_500;
const PIXELS = 20;
/** Drawing is smooth if the work for a frame fits into one refresh of the screen. */
const FRAME_AIM_MS = 16.7;
/** The server sends a line four times a second; the rest is the time of the transfer. */
const PIXEL_AIM_MS = 500;

/** @throws TagalongError TESTBED_MISSING if there is no browser */
export async function benchDashboard({ seed, quick }: DashboardOptions): Promise<BenchReport> {
  const rows: BenchRow[] = [];
  for (const users of quick ? [200] : [1_000, 10_000]) rows.push(...(await measure(users, seed, quick)));
  rows.push(...(await withSystem((system, url) => ingestRows(system, url, quick ? QUICK_MS : LOOK_MS))));
  return benchReport('dashboard', rows);
}

async function withSystem<T>(body: (system: System, url: string) => Promise<T>): Promise<T> {
  const settings = { http: { port: 0, requestsPerMinute: 1_000_000 }, sites: gridOfSites() };
  const config = parseConfig(JSON.stringify(settings), 'bench');
  const parts = { config, clock: realClock(), bus: memoryBus(), store: memoryStore(), log: createLog('silent') };
  const system = createSystem(parts);
  try {
    const { url } = await system.listen();
    await system.start();
    return await body(system, url);
  } finally {
    await system.stop();
  }
}

function measure(users: number, seed: number, quick: boolean): Promise<BenchRow[]> {
  return withSystem(async (system, url) => {
    const crowd = await createCrowd(system.ingest, users, seed);
    const lookMs = quick ? QUICK_MS : LOOK_MS;
    const stop = crowd.begin();
    try {
      await sleep(lookMs / 2);
      const without = await cpuShare(lookMs);
      const page = await openPage(url);
      try {
        await page.shows(users);
        // The measurement leaves out the first drawings and compilations.
        await sleep(lookMs / 2);
        const begun = await page.frames();
        const withPage = await cpuShare(lookMs);
        const drawn = await page.frames();
        const pixelMs = await eventsToPixels(crowd, page, quick ? 3 : PIXELS);
        const seen = { drawMs: drawn.drawMs, frames: drawn.count - begun.count, pixelMs, without, withPage };
        const pageCpuMs = drawn.cpuMs - begun.cpuMs;
        return rowsOf(users, lookMs, { ...seen, pageCpuMs });
      } finally {
        await page.close();
      }
    } finally {
      await stop();
    }
  });
}

interface Seen {
  readonly drawMs: readonly number[];
  readonly frames: number;
  readonly pixelMs: readonly number[];
  readonly pageCpuMs: number;
  readonly without: number;
  readonly withPage: number;
}

function rowsOf(
  users: number,
  lookMs: number,
  { drawMs, frames, pixelMs, pageCpuMs, without, withPage }: Seen,
): BenchRow[] {
  const [drawn, pixels] = [drawMs.toSorted(ascending), pixelMs.toSorted(ascending)];
  const setUp = `${users.toLocaleString('en')} users`;
  const row = (metric: string, value: number, unit: string): BenchRow => ({ metric, value, unit, setUp });
  const aimed = (metric: string, value: number, aim: number): BenchRow => ({
    ...atMost(metric, value, 'ms', aim),
    setUp,
  });
  return [
    row('drawing a frame, p50', nearestRank(drawn, 0.5), 'ms'),
    row('drawing a frame, p95', nearestRank(drawn, 0.95), 'ms'),
    aimed('processor time of the page, a frame', pageCpuMs / frames, FRAME_AIM_MS),
    row('from a location to its pixel, p50', nearestRank(pixels, 0.5), 'ms'),
    aimed('from a location to its pixel, p95', nearestRank(pixels, 0.95), PIXEL_AIM_MS),
    row('processor time of the page', (pageCpuMs / lookMs) * 100, '% of a core'),
    row('frames drawn', (frames * 1000) / lookMs, '/s'),
    row('CPU of all services, no page open', without, '% of a core'),
    row('CPU of all services, one page open', withPage, '% of a core'),
  ];
}

const ascending = (a: number, b: number) => a - b;

/** The share of one processor that this process uses. */
async function cpuShare(duringMs: number): Promise<number> {
  const before = process.cpuUsage();
  const begunMs = performance.now();
  await sleep(duringMs);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / 1000 / (performance.now() - begunMs)) * 100;
}

/** Measures new users: the time from the report of a user to the user's pixel on the screen. */
async function eventsToPixels(crowd: Crowd, page: PageUnderTest, samples: number): Promise<number[]> {
  const tookMs: number[] = [];
  for (let i = 0; i < samples; i++) {
    const place = crowd.empty(i);
    const seen = page.pixelAt(place);
    // Waits until the page watches the pixel, then until a different phase of the frame each time.
    await seen.watching;
    await sleep((i * 97) % 250);
    const reportedMs = Date.now();
    await crowd.newcomer(VM, place);
    tookMs.push((await seen.atMs) - reportedMs);
  }
  return tookMs;
}
