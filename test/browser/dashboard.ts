/** Helpers for tests of the dashboard's page. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { PATIENTLY } from '../patience.ts';
import type { Visit } from './browser.ts';

export const DESK = { viewport: { width: 1280, height: 800 } };

/** Finds a VM or a site by its name, with the keyboard alone. */
export async function find(page: Page, name: string): Promise<void> {
  // An open dialog receives all keys, and the search finds a name only after the page has received it.
  await expect.poll(() => page.locator('dialog[open]').count(), PATIENTLY).toBe(0);
  await expect.poll(() => page.textContent('#counts'), PATIENTLY).toMatch(/\d/);
  await page.keyboard.press('/');
  await page.keyboard.type(name);
  await page.keyboard.press('Enter');
  await expect.poll(() => page.textContent('#chosen h2'), PATIENTLY).toBe(name);
}

/** The errors of the page, without those of streams that the page itself closes to reconnect with other rights. */
export const faults = ({ errors }: Visit) => errors.filter((error) => !/\/live: net::ERR_ABORTED/.test(error));
/** The requested URLs that do not belong to the server of the page. */
export const foreignRequests = (url: string, { requests }: Visit) =>
  requests.filter((address) => !address.startsWith(url));
