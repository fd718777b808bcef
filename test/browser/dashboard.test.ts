import type { Page } from 'playwright-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PATIENTLY } from '../patience.ts';
import { onBrowser, PHONE } from './browser.ts';
import { DESK, faults, find, foreignRequests } from './dashboard.ts';
import { PLACES, type Scene, startScene, TOKEN, VIEWER_TOKEN } from './scene.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await startScene();
});
afterEach(() => scene.stop());

async function open(page: Page, path = '/'): Promise<void> {
  await page.goto(scene.url + path);
  await expect.poll(() => page.textContent('#counts'), PATIENTLY).toMatch(/^3 sites, 2 VMs/);
}

async function signIn(page: Page, token: string): Promise<void> {
  if ((await page.isVisible('#signing')) === false) await page.click('#sign');
  await page.fill('#token', token);
  await page.keyboard.press('Enter');
}

/** Presses a button of the panel, and confirms the dialog. @returns the text of the dialog */
async function order(page: Page, button: string): Promise<string> {
  await page.getByRole('button', { name: button, exact: true }).click();
  const asked = (await page.textContent('#confirming'))!;
  await page.click('#yes');
  return asked;
}

const dots = 'document.querySelector("canvas.dots").getContext("2d")';

/** The colour of the canvas at a position. */
const pixelAt = (page: Page, { lat, lon }: { lat: number; lon: number }) =>
  page.evaluate(
    `(() => { const { x, y } = tagalong.spotOf(${lat}, ${lon}); const r = devicePixelRatio;
      return [...${dots}.getImageData(Math.round(x * r), Math.round(y * r), 1, 1).data]; })()`,
  ) as Promise<number[]>;

onBrowser('the dashboard', (withPage) => {
  test('shows moving users and VMs to a signed-in viewer', () =>
    withPage(DESK, async (visit) => {
      const { page } = visit;
      await open(page);
      const alice = { user: 'alice', lat: 51.6, lon: 5 };
      await scene.locate(alice);
      await signIn(page, TOKEN);
      await expect.poll(() => page.textContent('#counts'), PATIENTLY).toContain('1 user,');
      const bob = { user: 'bob', lat: 52.4, lon: 5.9 };
      expect((await pixelAt(page, bob))[3]).toBe(0);
      await scene.locate(bob);
      // A dot in the users' blue appears at an empty place.
      await expect.poll(async () => (await pixelAt(page, bob))[3], PATIENTLY).toBeGreaterThan(200);
      const [red, , blue] = await pixelAt(page, bob);
      expect(blue).toBeGreaterThan(red! + 80);
      await visit.screenshot('dashboard');
      expect([faults(visit), foreignRequests(scene.url, visit)]).toEqual([[], []]);
    }));

  test('explains to an operator why a VM is at its site', () =>
    withPage(DESK, async (visit) => {
      const { page } = visit;
      await open(page);
      await signIn(page, TOKEN);
      await find(page, 'desk-1');
      await expect.poll(() => page.textContent('#chosen .sentence'), PATIENTLY).toMatch(/^desk-1 stays at west/);
      await scene.locate({ user: 'alice', ...PLACES.west });
      await find(page, 'desk-2');
      await scene.locate({ user: 'bob', ...PLACES.east });
      await find(page, 'desk-1');
      await expect.poll(() => page.locator('#chosen tbody tr').count(), PATIENTLY).toBeGreaterThan(1);
      expect(await page.textContent('#chosen tbody')).toMatch(/west \(home\)/);
      expect(faults(visit)).toEqual([]);
    }));

  test('explains without figures to people who have not signed in, and works with the keyboard alone', () =>
    withPage(DESK, async (visit) => {
      const { page } = visit;
      await open(page);
      await find(page, 'desk-1');
      await expect.poll(() => page.textContent('#chosen .sentence'), PATIENTLY).toMatch(/^desk-1 is at west/);
      expect(await page.locator('#chosen table').count()).toBe(0);
      await page.keyboard.press('Escape');
      expect(await page.isHidden('#chosen')).toBe(true);
      // Each Tab moves the focus to a control with an id or a text.
      const seen = new Set<string>();
      for (let i = 0; i < 25; i++) {
        await page.keyboard.press('Tab');
        seen.add(await page.evaluate('document.activeElement.id || document.activeElement.textContent'));
      }
      for (const id of ['theme', 'sign', 'map', 'scrub', 'play', 'live', 'name', 'east']) expect(seen).toContain(id);
      expect(faults(visit)).toEqual([]);
    }));

  test('a viewer without a token sees no users and can change nothing', () =>
    withPage(DESK, async (visit) => {
      const { page } = visit;
      await scene.locate({ user: 'alice', ...PLACES.west });
      await open(page);
      await find(page, 'desk-1');
      expect(await page.textContent('#counts')).not.toContain('user');
      expect(await page.textContent('#chosen dl')).toContain('sign in to see users');
      for (const words of ['Migrate …', 'Drain …', 'Cancel', 'Pause automatic moves']) {
        expect(await page.getByRole('button', { name: words, exact: true }).count()).toBe(0);
      }
      for (const [method, path, body] of [
        ['POST', '/v1/vms/desk-1/moves', { to: 'east' }],
        ['POST', '/v1/sites/west/drain', { draining: true }],
        ['PUT', '/v1/automation', { paused: true }],
        ['DELETE', '/v1/migrations/desk-1:1', undefined],
        ['GET', '/v1/dashboard/past?atMs=0', undefined],
      ] as const) {
        expect((await scene.ask(method, path, body, null)).status, path).toBe(401);
      }
      const { body } = await scene.ask('GET', `/dashboard/past?atMs=${Date.now()}`, undefined, null);
      expect(JSON.stringify(body)).not.toMatch(/alice|positions/);
      expect(faults(visit)).toEqual([]);
    }));

  test('a signed-in viewer sees no users and no figures, and gets no buttons that the server would refuse', () =>
    withPage(DESK, async (visit) => {
      const { page } = visit;
      await open(page);
      await signIn(page, VIEWER_TOKEN);
      await expect.poll(() => page.textContent('#sign'), PATIENTLY).toBe('Sign out');
      expect(await page.getAttribute('#sign', 'title')).toBe('Signed in as wall (viewer)');
      await scene.ask('POST', '/v1/vms/desk-1/moves', { to: 'east' });
      await expect.poll(() => page.textContent('#decisions'), PATIENTLY).toContain('ordered by http.token');
      for (const [name, shown] of [
        ['desk-1', '#chosen dl'],
        ['west', '#chosen .load'],
      ] as const) {
        await find(page, name);
        await expect.poll(() => page.isVisible(shown), PATIENTLY).toBe(true);
        for (const words of ['Migrate …', 'Drain …', 'Cancel the move of desk-1', 'Pause automatic moves']) {
          expect(await page.getByRole('button', { name: words, exact: true }).count(), words).toBe(0);
        }
      }
      await visit.screenshot('dashboard-viewer');
      // The same page, and an operator: the buttons are there.
      await page.click('#sign');
      await signIn(page, TOKEN);
      for (const words of ['Drain …', 'Pause automatic moves']) {
        await expect.poll(() => page.getByRole('button', { name: words, exact: true }).count(), PATIENTLY).toBe(1);
      }
      expect(faults(visit)).toEqual([]);
    }));

  test(
    'a signed-in operator migrates a VM, pauses automation, drains a site, and undoes all of it',
    () =>
      withPage(DESK, async (visit) => {
        const { page } = visit;
        await open(page);
        await scene.locate({ user: 'alice', ...PLACES.west });
        await signIn(page, 'not the token, but as long');
        await expect.poll(() => page.textContent('#wrong'), PATIENTLY).toContain('does not accept this token');
        await signIn(page, TOKEN);
        await expect.poll(() => page.textContent('#sign'), PATIENTLY).toBe('Sign out');

        await page.click('#pause');
        // Enter alone does not confirm the dialog, because the user may not have read it.
        await page.keyboard.press('Enter');
        expect(scene.system.placement.status().paused).toBe(false);
        expect(await order(page, 'Pause automatic moves')).toContain('No VM follows its users until you resume');
        await expect.poll(() => page.textContent('#pause'), PATIENTLY).toBe('Resume automatic moves');
        expect(scene.system.placement.status().paused).toBe(true);

        const beforeMs = Date.now();
        await find(page, 'desk-1');
        // The best site comes first, with its gain. None is preselected, so that a hasty press orders nothing.
        expect(await page.inputValue('#to')).toBe('');
        const offered = await page.locator('#to option').allTextContents();
        const gains = offered.slice(1).map((text) => Number(/gain ([+-]?[\d.]+)/.exec(text)![1]));
        expect(gains).toHaveLength(2);
        expect(gains).toEqual(gains.toSorted((a, b) => b - a));
        await page.getByRole('button', { name: 'Migrate' }).click();
        expect(await page.isVisible('#confirming')).toBe(false);
        await page.selectOption('#to', 'east');
        const before = await page.locator('main').boundingBox();
        expect(await order(page, 'Migrate …')).toContain('desk-1 leaves west for east');
        await expect
          .poll(() => page.textContent('#banner'), PATIENTLY)
          .toContain('The move of desk-1 to east is ordered');
        // The layout under the pointer did not move.
        expect(await page.locator('main').boundingBox()).toEqual(before);
        await expect.poll(() => page.textContent('#moves'), PATIENTLY).toMatch(/desk-1 west → east.*subflow/s);
        await visit.screenshot('dashboard-move');
        await expect
          .poll(() => page.textContent('#decisions'), PATIENTLY)
          .toMatch(/ordered by http\.token .*pause \d+ ms/s);
        await expect.poll(() => page.textContent('#chosen dl'), PATIENTLY).toContain('east');
        await expect.poll(() => page.textContent('#spread'), PATIENTLY).toMatch(/interruption\d+ ms/);

        await page.getByRole('button', { name: 'south' }).click();
        expect(await order(page, 'Drain …')).toContain('0 VMs will leave south');
        await expect.poll(() => page.textContent('#sites'), PATIENTLY).toMatch(/south080 %draining/);

        const homeThen = async () => {
          const { homes } = (await scene.ask('GET', `/dashboard/past?atMs=${beforeMs}`)).body as { homes: string[][] };
          return Object.fromEntries(homes)['desk-1'];
        };
        expect(await homeThen()).toBe('west');
        await page.focus('#scrub');
        await page.keyboard.press('Home');
        await expect.poll(() => page.getAttribute('#clock', 'class'), PATIENTLY).toContain('past');
        await expect.poll(() => page.textContent('#sites'), PATIENTLY).toMatch(/east1813 %.*south080 %(?!draining)/s);
        expect(await page.getByRole('button', { name: 'Drain …' }).count()).toBe(0);
        await page.click('#live');
        await expect.poll(() => page.textContent('#sites'), PATIENTLY).toMatch(/east2825 %.*south080 %draining/s);
        expect(await page.locator('table.sites thead th').allTextContents()).toEqual([
          'site',
          'VMs',
          'slots',
          'load',
          'state',
        ]);
        // The answer disappears after a while.
        await expect.poll(() => page.isHidden('#banner'), PATIENTLY).toBe(true);
        expect(foreignRequests(scene.url, visit)).toEqual([]);
        expect(faults(visit).filter((error) => !error.includes('401'))).toEqual([]);
      }),
    90_000,
  );

  test(
    'the panel of a site shows its VMs, cancels a drain, and asks twice before it drains the last open site',
    () =>
      withPage(DESK, async (visit) => {
        const { page } = visit;
        await open(page);
        await signIn(page, TOKEN);
        await find(page, 'west');
        await expect.poll(() => page.textContent('#chosen .load'), PATIENTLY).toBe('1 of 8 slots taken');
        // The server asks for the confirmation as well: without the dialog it drains nothing.
        const unconfirmed = await scene.ask('POST', '/v1/sites/west/drain', { draining: true });
        expect(unconfirmed).toMatchObject({ status: 428, body: { error: { code: 'CONFIRMATION_MISSING' } } });
        expect(await order(page, 'Drain …')).toContain('1 VM will leave west');
        await expect.poll(() => page.textContent('#chosen .load'), PATIENTLY).toBe('0 of 8 slots taken; draining');
        expect(await page.locator('#chosen .vms li').count()).toBe(0);
        await scene.ask('POST', '/v1/sites/south/drain', { draining: true, confirm: 'south' });
        await page.getByRole('button', { name: 'End draining' }).click();
        await expect.poll(() => page.textContent('#chosen .load'), PATIENTLY).toBe('0 of 8 slots taken');
        await expect.poll(() => page.textContent('#chosen .drain'), PATIENTLY).toBe('Drain …');

        await scene.ask('POST', '/v1/sites/west/drain', { draining: true, confirm: 'west' });
        await find(page, 'east');
        await order(page, 'Drain …');
        await expect.poll(() => page.textContent('#confirming'), PATIENTLY).toContain('Drain anyway');
        await page.click('#yes');
        await expect.poll(() => page.textContent('#chosen .load'), PATIENTLY).toMatch(/draining$/);
        expect(faults(visit).filter((error) => !error.includes('409'))).toEqual([]);
      }),
    60_000,
  );

  test('fits a phone, in the dark too', () =>
    withPage({ ...PHONE, colorScheme: 'dark' }, async (visit) => {
      const { page } = visit;
      await open(page);
      await find(page, 'desk-2');
      // The map shows the search result.
      await expect.poll(() => page.locator('#chosen .sentence').count(), PATIENTLY).toBe(1);
      const seen = async () => {
        const { y = -1, height = 0 } = (await page.locator('#chosen .sentence').boundingBox()) ?? {};
        return y >= 0 && y + height <= PHONE.viewport.height;
      };
      await expect.poll(seen, PATIENTLY).toBe(true);
      await visit.screenshot('dashboard-phone');
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
      const small = await page.$$eval('button, select, input', (all) =>
        all.filter((one) => one.offsetParent && one.getBoundingClientRect().height < 24).map((one) => one.outerHTML),
      );
      expect(small).toEqual([]);
      expect(faults(visit)).toEqual([]);
    }));

  test(
    'reports that the server does not answer, and continues when it answers again',
    () =>
      withPage(DESK, async ({ page }) => {
        await open(page);
        await signIn(page, TOKEN);
        await find(page, 'west');
        await expect.poll(() => page.isEnabled('#chosen .drain'), PATIENTLY).toBe(true);
        expect(await page.getAttribute('#live', 'aria-pressed')).toBe('true');
        const port = Number(new URL(scene.url).port);
        await scene.stop();
        await expect
          .poll(() => page.textContent('#lost'), PATIENTLY)
          .toMatch(/^No connection since \d\d:\d\d:\d\d UTC/);
        expect(await page.getAttribute('#live', 'aria-pressed')).toBe('false');
        for (const id of ['#chosen .drain', '#pause']) expect(await page.isEnabled(id), id).toBe(false);
        scene = await startScene({ http: { port, token: TOKEN } });
        await expect.poll(() => page.isHidden('#lost'), PATIENTLY).toBe(true);
        expect(await page.getAttribute('#live', 'aria-pressed')).toBe('true');
        await expect.poll(() => page.isEnabled('#chosen .drain'), PATIENTLY).toBe(true);
        await expect.poll(() => page.textContent('#counts'), PATIENTLY).toMatch(/^3 sites, 2 VMs/);
      }),
    60_000,
  );
});
