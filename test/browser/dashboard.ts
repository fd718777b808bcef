/** What tests of the dashboard's page do again and again. */
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { PATIENTLY } from '../patience.ts';
import type { Visit } from './browser.ts';

export const DESK = { viewport: { width: 1280, height: 800 } };

/** Finds a VM or a site by its name, with keys alone. */
export async function find(page: Page, name: string): Promise<void> {
  // Keys go to a dialog as long as one is open, and a name is found once it is known.
  await expect.poll(() => page.locator('dialog[open]').count(), PATIENTLY).toBe(0);
  await expect.poll(() => page.textContent('#counts'), PATIENTLY).toMatch(/\d/);
  await page.keyboard.press('/');
  await page.keyboard.type(name);
  await page.keyboard.press('Enter');
  await expect.poll(() => page.textContent('#chosen h2'), PATIENTLY).toBe(name);
}

/** What went wrong, but for streams that the page ends itself to see with other eyes. */
export const faults = ({ errors }: Visit) => errors.filter((error) => !/\/live: net::ERR_ABORTED/.test(error));
/** Addresses that a page asked for and that are not of its own server. */
export const strangersTo = (url: string, { requests }: Visit) => requests.filter((address) => !address.startsWith(url));
