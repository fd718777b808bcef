/** Runs a real headless Chromium for tests of pages, and records the requests and errors of each page. */
import { mkdir } from 'node:fs/promises';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { chromiumPath } from '#deploy/bench/dashboard/browser.ts';
import { describeNeeding } from '../needing.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
/** The time limit to start a browser or open a page on a busy machine. */
const START_MS = 90_000;

/** The window size of a phone; no content may be wider than it. */
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true } as const;

/** A page with its errors and requests. */
export interface Visit {
  readonly page: Page;
  /** Errors on the console, uncaught exceptions, and failed requests. */
  readonly errors: readonly string[];
  /** The URLs of all requests, in order; the first is the page itself. */
  readonly requests: readonly string[];
  /** Writes a picture of the whole page to out/NAME.png, for human review. */
  screenshot(name: string): Promise<void>;
}

/** Opens a new page for `body`, and closes it even if `body` fails. */
export type WithPage = <T>(options: BrowserContextOptions, body: (visit: Visit) => Promise<T>) => Promise<T>;

/**
 * Defines tests that need a browser. Without a browser they are skipped; in CI they fail.
 * @param tests receives the function that opens pages; the browser starts before the first test and ends after the last
 */
export function onBrowser(name: string, tests: (withPage: WithPage) => void): void {
  const why = 'Chromium is missing; npm run prerequisites installs it';
  const path = chromiumPath();
  describeNeeding('Chromium', path === undefined ? why : undefined, name, () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await startChromium(path!);
    }, START_MS);
    afterAll(() => browser?.close(), START_MS);
    tests((options, body) => visit(browser, options, body));
  });
}

function startChromium(executablePath: string): Promise<Browser> {
  // Chromium's sandbox does not work as root, and containers often have too small a /dev/shm.
  const args = ['--disable-dev-shm-usage', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])];
  return chromium.launch({ executablePath, args, timeout: START_MS });
}

async function visit<T>(
  browser: Browser,
  options: BrowserContextOptions,
  body: (visit: Visit) => Promise<T>,
): Promise<T> {
  const context = await browser.newContext(options);
  try {
    const page = await context.newPage();
    const errors: string[] = [];
    const requests: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text());
    });
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('requestfailed', (request) => errors.push(`${request.url()}: ${request.failure()?.errorText}`));
    context.on('request', (request) => requests.push(request.url()));
    return await body({ page, errors, requests, screenshot: (name) => screenshot(page, name) });
  } finally {
    await context.close();
  }
}

async function screenshot(page: Page, name: string): Promise<void> {
  if (process.env.CI === 'true') return;
  await mkdir(`${ROOT}out`, { recursive: true });
  await page.screenshot({ path: `${ROOT}out/${name}.png`, fullPage: true });
}
