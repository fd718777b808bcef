import { afterEach, beforeEach, expect, test } from 'vitest';
import { PATIENTLY } from '../patience.ts';
import { onBrowser, PHONE } from './browser.ts';
import { PLACES, type Scene, startScene } from './scene.ts';

const at = ({ lat, lon }: { lat: number; lon: number }) => ({ latitude: lat, longitude: lon });

let scene: Scene;
beforeEach(async () => {
  // A server on loopback without a token needs no sign-in.
  scene = await startScene({ http: { port: 0 } });
});
afterEach(() => scene.stop());

onBrowser('the page "Follow me"', (withPage) => {
  test(
    'gives a phone a VM near it, which follows it, and is removed when it leaves',
    () =>
      withPage({ ...PHONE, permissions: ['geolocation'], geolocation: at(PLACES.west) }, async (visit) => {
        const { page } = visit;
        await page.goto(`${scene.url}/follow-me`);
        await page.click('#share');
        await expect.poll(() => page.textContent('#home'), PATIENTLY).toBe('west');
        const vm = await page.textContent('#vm');
        expect(vm).toMatch(/^vm-me-[0-9a-f]{12}$/);
        expect(scene.system.placement.status().vms).toContainEqual(expect.objectContaining({ vm, users: 1 }));

        await page.context().setGeolocation(at(PLACES.east));
        await expect.poll(() => page.textContent('#home'), PATIENTLY).toBe('east');
        await expect.poll(() => page.textContent('#moved'), PATIENTLY).toContain('1 ×');
        await expect.poll(() => page.textContent('#distance'), PATIENTLY).toBe('0.0 km');
        await expect.poll(() => page.textContent('#trips'), PATIENTLY).toMatch(/west → east took .*pause/);
        await visit.screenshot('follow-me');
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);

        await page.click('#stop');
        await expect.poll(() => page.textContent('#status'), PATIENTLY).toBe('Your VM is removed.');
        await expect.poll(() => scene.system.placement.status().vms.map((one) => one.vm), PATIENTLY).not.toContain(vm);
        expect(visit.errors).toEqual([]);
        expect(visit.requests.filter((address) => !address.startsWith(scene.url))).toEqual([]);
      }),
    120_000,
  );

  test('reports that the browser refuses to give a position, and shares nothing', () =>
    withPage(PHONE, async ({ page }) => {
      await page.goto(`${scene.url}/follow-me`);
      await page.click('#share');
      await expect.poll(() => page.textContent('#status'), PATIENTLY).toContain('no permission to share your position');
      expect(scene.system.placement.status().vms.map(({ vm }) => vm)).toEqual(['desk-1', 'desk-2']);
    }));
});
