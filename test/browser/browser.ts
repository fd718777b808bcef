/** A real Chromium for tests of pages: headless, with what a page asked of the network and what went wrong in it. */
import { mkdir } from 'node:fs/promises';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';
import { chromiumPath } from '#deploy/bench/dashboard/browser.ts';
import { describeNeeding } from '../needing.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
/** Starting a browser, and a page of it, on a machine that is busy with other things. */
const START_MS = 90_000;

/** Chromium's window on a phone, at which nothing may be wider than the screen. */
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true } as const;

/** A page, and what it did that a test has to know of. */
export interface Visit {
  readonly page: Page;
  /** Errors of the page: on its console, thrown, and requests that failed. */
  readonly errors: readonly string[];
  /** The addresses of all that the page asked for, the page itself first. */
  readonly requests: readonly string[];
  /** Writes a picture of the whole page to out/NAME.png, for a human to look at; in CI nobody does. */
  screenshot(name: string): Promise<void>;
}

/** Opens a page of its own for `body`, and closes it whatever comes of it. */
export type WithPage = <T>(options: BrowserContextOptions, body: (visit: Visit) => Promise<T>) => Promise<T>;

/**
 * Tests that need a browser: without one they are skipped by name, in CI they fail.
 * @param tests is given what opens pages; the browser starts before the first test and ends after the last
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
  // Root has no sandbox of Chromium's; containers often have a /dev/shm that is too small for it.
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
