import type { Page } from 'playwright-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { onBrowser, PHONE, type Visit } from './browser.ts';
import { PLACES, type Scene, startScene, TOKEN } from './scene.ts';

const PATIENTLY = { timeout: 20_000, interval: 100 };
const DESK = { viewport: { width: 1280, height: 800 } };

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
  await page.click('#go');
}

/** Finds a VM or a site by its name, with keys alone. */
async function find(page: Page, name: string): Promise<void> {
  await page.keyboard.press('/');
  await page.keyboard.type(name);
  await page.keyboard.press('Enter');
  await expect.poll(() => page.textContent('#chosen h2'), PATIENTLY).toBe(name);
}

/** What went wrong, but for streams that the page ends itself to see with other eyes. */
const faults = ({ errors }: Visit) => errors.filter((error) => !/\/live: net::ERR_ABORTED/.test(error));
const strangers = ({ requests }: Visit) => requests.filter((address) => !address.startsWith(scene.url));
const dots = 'document.querySelector("canvas.dots").getContext("2d")';

/** The colour of the canvas where a position is drawn. */
const pixelAt = (page: Page, { lat, lon }: { lat: number; lon: number }) =>
  page.evaluate(
    `(() => { const { x, y } = tagalong.spotOf(${lat}, ${lon}); const r = devicePixelRatio;
      return [...${dots}.getImageData(Math.round(x * r), Math.round(y * r), 1, 1).data]; })()`,
  ) as Promise<number[]>;

onBrowser('the dashboard', (withPage) => {
  test('shows who is where as it happens, to who has signed in', () =>
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
      // A dot of the users' blue, where nothing was.
      await expect.poll(async () => (await pixelAt(page, bob))[3], PATIENTLY).toBeGreaterThan(200);
      const [red, , blue] = await pixelAt(page, bob);
      expect(blue).toBeGreaterThan(red! + 80);
      await visit.screenshot('dashboard');
      expect([faults(visit), strangers(visit)]).toEqual([[], []]);
    }));

  test('says why a VM is here and not there; keys alone are enough', () =>
    withPage(DESK, async (visit) => {
      const { page } = visit;
      await open(page);
      await find(page, 'desk-1');
      await expect.poll(() => page.textContent('#chosen .sentence'), PATIENTLY).toMatch(/^desk-1 stays at west/);
      await scene.locate({ user: 'alice', ...PLACES.west });
      await find(page, 'desk-2');
      await scene.locate({ user: 'bob', ...PLACES.east });
      await find(page, 'desk-1');
      await expect.poll(() => page.locator('#chosen tbody tr').count(), PATIENTLY).toBeGreaterThan(1);
      expect(await page.textContent('#chosen tbody')).toMatch(/west \(home\)/);
      await page.keyboard.press('Escape');
      expect(await page.isHidden('#chosen')).toBe(true);
      // Each tab goes on to something that can be used, and says where it is.
      const seen = new Set<string>();
      for (let i = 0; i < 25; i++) {
        await page.keyboard.press('Tab');
        seen.add(await page.evaluate('document.activeElement.id || document.activeElement.textContent'));
      }
      for (const id of ['theme', 'sign', 'map', 'scrub', 'play', 'live', 'name', 'east']) expect(seen).toContain(id);
      expect(faults(visit)).toEqual([]);
    }));

  test('who has not signed in sees no users and changes nothing, whatever the page would offer', () =>
    withPage(DESK, async (visit) => {
      const { page } = visit;
      await scene.locate({ user: 'alice', ...PLACES.west });
      await open(page);
      await find(page, 'desk-1');
      expect(await page.textContent('#counts')).not.toContain('user');
      expect(await page.textContent('#chosen dl')).toContain('shown to who signs in');
      for (const words of ['Migrate', 'Drain', 'Cancel', 'Pause automatic moves']) {
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

  test(
    'who signs in migrates, pauses, drains; and what was is brought back',
    () =>
      withPage(DESK, async (visit) => {
        const { page } = visit;
        await open(page);
        await scene.locate({ user: 'alice', ...PLACES.west });
        await signIn(page, 'not the token, but as long');
        await expect.poll(() => page.textContent('#wrong'), PATIENTLY).toContain('not the token');
        await signIn(page, TOKEN);
        await expect.poll(() => page.textContent('#sign'), PATIENTLY).toBe('Sign out');

        await page.click('#pause');
        await expect.poll(() => page.textContent('#pause'), PATIENTLY).toBe('Resume automatic moves');
        expect(scene.system.placement.status().paused).toBe(true);

        const beforeMs = Date.now();
        await find(page, 'desk-1');
        await page.selectOption('#to', 'east');
        await page.getByRole('button', { name: 'Migrate' }).click();
        await expect.poll(() => page.textContent('#banner'), PATIENTLY).toContain('its move to east is ordered');
        await expect.poll(() => page.textContent('#moves'), PATIENTLY).toMatch(/desk-1 west → east.*subflow/s);
        await visit.screenshot('dashboard-move');
        await expect.poll(() => page.textContent('#decisions'), PATIENTLY).toMatch(/an operator .*pause \d+ ms/s);
        await expect.poll(() => page.textContent('#chosen dl'), PATIENTLY).toContain('east');
        await expect.poll(() => page.textContent('#spread'), PATIENTLY).toMatch(/interruption\d+ ms/);

        await page.getByRole('button', { name: 'south' }).click();
        await page.getByRole('button', { name: 'Drain' }).click();
        await expect.poll(() => page.textContent('#sites'), PATIENTLY).toMatch(/south08draining/);

        const homeThen = async () => {
          const { homes } = (await scene.ask('GET', `/dashboard/past?atMs=${beforeMs}`)).body as { homes: string[][] };
          return Object.fromEntries(homes)['desk-1'];
        };
        expect(await homeThen()).toBe('west');
        await page.focus('#scrub');
        await page.keyboard.press('Home');
        await expect.poll(() => page.getAttribute('#clock', 'class'), PATIENTLY).toContain('past');
        await expect.poll(() => page.textContent('#sites'), PATIENTLY).toMatch(/east18.*south08(?!draining)/s);
        expect(await page.getByRole('button', { name: 'Drain' }).count()).toBe(0);
        await page.click('#live');
        await expect.poll(() => page.textContent('#sites'), PATIENTLY).toMatch(/east28.*south08draining/s);
        expect(strangers(visit)).toEqual([]);
        expect(faults(visit).filter((error) => !error.includes('401'))).toEqual([]);
      }),
    90_000,
  );

  test('fits a phone, in the dark too', () =>
    withPage({ ...PHONE, colorScheme: 'dark' }, async (visit) => {
      const { page } = visit;
      await open(page);
      await find(page, 'desk-2');
      await visit.screenshot('dashboard-phone');
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
      const small = await page.$$eval('button, select, input', (all) =>
        all.filter((one) => one.offsetParent && one.getBoundingClientRect().height < 24).map((one) => one.outerHTML),
      );
      expect(small).toEqual([]);
      expect(faults(visit)).toEqual([]);
    }));

  test(
    'says so when the server does not answer, and goes on when it does again',
    () =>
      withPage(DESK, async ({ page }) => {
        await open(page);
        const port = Number(new URL(scene.url).port);
        await scene.stop();
        await expect.poll(() => page.textContent('#banner'), PATIENTLY).toContain('does not answer');
        scene = await startScene({ http: { port, token: TOKEN } });
        await expect.poll(() => page.isHidden('#banner'), PATIENTLY).toBe(true);
        await expect.poll(() => page.textContent('#counts'), PATIENTLY).toMatch(/^3 sites, 2 VMs/);
      }),
    60_000,
  );
});
