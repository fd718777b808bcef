/** Tests the dashboard with many sites, and with long names. */
import { afterEach, expect, test } from 'vitest';
import { PATIENTLY } from '../patience.ts';
import { onBrowser, PHONE } from './browser.ts';
import { DESK, faults, find } from './dashboard.ts';
import { type Scene, startScene } from './scene.ts';

const SPEC = { ramBytes: 4e9, dirtyRateBps: 2e7, workingSetBytes: 2e8 };
const UPLINKS = [{ provider: 'a', rateBps: 1.25e8 }];
const threeDigits = (n: number) => `${n}`.padStart(3, '0');

/** 200 sites in uneven rows of 20, with 1,500 VMs. */
function manySites() {
  const sites = Array.from({ length: 200 }, (_, i) => ({
    site: `site-${threeDigits(i)}`,
    lat: 37 + Math.floor(i / 20) / 2 + ((i * 7) % 10) / 40,
    lon: -80 + (i % 20) / 1.5 + ((i * 3) % 10) / 30,
    slots: 20,
    uplinks: UPLINKS,
  }));
  const vms = Array.from({ length: 1_500 }, (_, i) => ({ vm: `vm-${i}`, home: sites[i % 200]!.site, spec: SPEC }));
  return { http: { port: 0 }, sites, vms };
}

/** Long names without a blank for a line break. */
function longNames() {
  const site = (i: number) => `a-very-long-name-of-a-data-centre-in-the-north-of-the-city-no-${i}`;
  const sites = [0, 1, 2, 3].map((i) => ({ site: site(i), lat: 37, lon: -79 + i, slots: 20, uplinks: UPLINKS }));
  const vms = [0, 1, 2, 3, 4, 5].map((i) => ({
    vm: `Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch-${i}`,
    home: site(i % 4),
    spec: SPEC,
    sessions: [{ user: `user-000${i}-of-the-department@example.org` }],
  }));
  return { http: { port: 0 }, sites, vms };
}

let scene: Scene;
afterEach(() => scene?.stop());

onBrowser('the dashboard', (withPage) => {
  test('a map of two hundred sites zooms to a found site, zooms out with "all", and names the site under the pointer', async () => {
    scene = await startScene(manySites());
    await withPage(DESK, async (visit) => {
      const { page } = visit;
      await page.goto(scene.url);
      await expect.poll(() => page.textContent('#counts'), PATIENTLY).toMatch(/^200 sites, 1500 VMs/);
      const spot = (name: string) =>
        page.evaluate(
          `(() => { const { lat, lon } = tagalong.now.sites.get('${name}'); return tagalong.spotOf(lat, lon); })()`,
        ) as Promise<{ x: number; y: number }>;
      const apart = async () => {
        const [a, b] = [await spot('site-100'), await spot('site-101')];
        return Math.hypot(a.x - b.x, a.y - b.y);
      };
      const first = await apart();
      await visit.screenshot('dashboard-200-sites');
      await find(page, 'site-100');
      expect(await apart()).toBeGreaterThan(first * 1.2);
      const { width } = (await page.locator('#map').boundingBox())!;
      expect(Math.abs((await spot('site-100')).x - width / 2)).toBeLessThan(5);
      await page.getByRole('button', { name: 'all', exact: true }).click();
      expect(await apart()).toBeCloseTo(first, 3);
      // The map fits its content again when the window shrinks.
      await page.setViewportSize({ width: 1000, height: 700 });
      await expect.poll(apart, PATIENTLY).toBeLessThan(first * 0.95);

      const { x, y } = await spot('site-100');
      const map = (await page.locator('#map').boundingBox())!;
      await page.mouse.move(map.x + x, map.y + y);
      await expect.poll(() => page.textContent('.tip'), PATIENTLY).toMatch(/^site-100: \d+ of 20 slots taken$/);
      expect(await page.locator('#map').evaluate((one) => `${one.computedStyleMap().get('cursor')}`)).toBe('pointer');
      expect(faults(visit)).toEqual([]);
    });
  }, 60_000);

  test('names of the maximum length fit, on a phone too, and the buttons of dialogs stay reachable', async () => {
    scene = await startScene(longNames());
    const [vm, site] = [scene.system.placement.status().vms[0]!.vm, scene.system.placement.status().sites[0]!.site];
    for (const device of [DESK, PHONE]) {
      await withPage(device, async (visit) => {
        const { page } = visit;
        await page.goto(scene.url);
        await expect.poll(() => page.textContent('#counts'), PATIENTLY).toMatch(/^4 sites, 6 VMs/);
        await find(page, vm);
        await page.selectOption('#to', { index: 1 });
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(device.viewport.width);
        const widest = await page.locator('#side').evaluate((side) => side.scrollWidth - side.clientWidth);
        expect(widest).toBe(0);
        // A truncated text stays readable elsewhere.
        expect(await page.getByRole('button', { name: site }).first().getAttribute('title')).toBe(site);
        await page.getByRole('button', { name: 'Migrate' }).click();
        await expect.poll(() => page.isVisible('#yes'), PATIENTLY).toBe(true);
        for (const id of ['#yes', '#no']) {
          const { x, y, width, height } = (await page.locator(id).boundingBox())!;
          expect(x >= 0 && x + width <= device.viewport.width && y + height <= device.viewport.height, id).toBe(true);
        }
        await page.click('#no');
        expect(await page.isVisible('#confirming')).toBe(false);
        expect(faults(visit)).toEqual([]);
      });
    }
  }, 60_000);
});
