/** Opens the dashboard in a real Chromium and measures how it draws. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import type { Place } from './crowd.ts';

/** The drawing figures of a page so far. */
export interface Frames {
  readonly count: number;
  /** Duration of each of the last frames; it includes waits for a processor that other processes use. */
  readonly drawMs: readonly number[];
  /** Processor time of the page for everything that it does, since it was opened. */
  readonly cpuMs: number;
}

/** A page of the dashboard. */
export interface PageUnderTest {
  /** Resolves when it shows at least this number of users. */
  shows(users: number): Promise<void>;
  frames(): Promise<Frames>;
  /** Watches a place. @returns when the page draws something there, in milliseconds since the Unix epoch */
  pixelAt(place: Place): { readonly watching: Promise<unknown>; readonly atMs: Promise<number> };
  close(): Promise<void>;
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const START_MS = 60_000;

/** @throws TagalongError TESTBED_MISSING */
export async function openPage(url: string): Promise<PageUnderTest> {
  const executablePath = chromiumPath();
  const playwright = await import('playwright-core').catch(() => undefined);
  if (executablePath === undefined || playwright === undefined) {
    throw new TagalongError(
      'TESTBED_MISSING',
      'this host has no Chromium to draw the dashboard; install it with npm ci and npm run prerequisites',
    );
  }
  const args = ['--disable-dev-shm-usage', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])];
  const browser = await playwright.chromium.launch({ executablePath, args, timeout: START_MS });
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Performance.enable');
  await page.goto(url);
  // The library's own wait uses `eval`, which the content security policy of the page forbids.
  const until = async <T>(expression: string): Promise<T> => {
    for (const endMs = Date.now() + START_MS; ; await sleep(20)) {
      const value = (await page.evaluate(expression)) as T;
      if (value) return value;
      if (Date.now() > endMs) throw new Error(`a page never had ${expression}`);
    }
  };
  await until('globalThis.tagalong !== undefined');
  // Counts at the end of every frame, because the page's list holds only the last frames.
  await page.evaluate(
    'tagalong.frameMs.push = ((push) => (ms) => { tagalong.frames = (tagalong.frames ?? 0) + 1; return push(ms); })(tagalong.frameMs.push.bind(tagalong.frameMs))',
  );
  let watches = 0;
  return {
    async shows(users) {
      await until(`tagalong.now.users.size >= ${users}`);
    },
    async frames() {
      const [count, drawMs] = (await page.evaluate('[tagalong.frames ?? 0, tagalong.frameMs]')) as [number, number[]];
      const { metrics } = await devtools.send('Performance.getMetrics');
      return { count, drawMs, cpuMs: (metrics.find(({ name }) => name === 'ThreadTime')?.value ?? Number.NaN) * 1000 };
    },
    pixelAt({ lat, lon }) {
      const name = `seen${++watches}`;
      const watching = page.evaluate(`(() => {
        const g = document.querySelector('canvas.dots').getContext('2d');
        const { x, y } = tagalong.spotOf(${lat}, ${lon});
        const look = () => {
          const [, , , alpha] = g.getImageData(Math.round(x * devicePixelRatio), Math.round(y * devicePixelRatio), 1, 1).data;
          if (alpha > 0) globalThis.${name} = Date.now();
          else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
      })()`);
      const atMs = watching.then(() => until<number>(`globalThis.${name}`));
      return { watching, atMs };
    },
    close: () => browser.close(),
  };
}

/** The path of Chromium; undefined if it is not installed. `npm run prerequisites` installs it. */
export function chromiumPath(): string | undefined {
  const { TAGALONG_CHROMIUM: chosen } = process.env;
  if (chosen) return chosen;
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/bin'];
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find((path) => existsSync(path));
}
