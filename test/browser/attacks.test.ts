/** Pages of others try to rule an open server on loopback, as a browser lets them. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { onBrowser } from './browser.ts';
import { type Scene, startScene } from './scene.ts';

onBrowser('a page of another server', (withPage) => {
  let scene: Scene;
  let foreign: Server;
  let foreignUrl: string;
  let port: string;
  beforeAll(async () => {
    scene = await startScene({ http: { port: 0 } });
    port = new URL(scene.url).port;
    foreign = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>foreign</title>');
    });
    await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
    foreignUrl = `http://foreign.localhost:${(foreign.address() as AddressInfo).port}/`;
  }, 90_000);
  afterAll(async () => {
    foreign?.close();
    await scene?.stop();
  });

  const picture = async () => {
    const { body } = await scene.ask('GET', `/dashboard/past?atMs=${Date.now()}`, undefined, null);
    return body as { paused: boolean; positions: number[]; homes: [string, string][]; sites: { draining: boolean }[] };
  };

  test('cannot report positions, give orders or hold streams', { timeout: 90_000 }, () =>
    withPage({}, async ({ page }) => {
      await page.goto(foreignUrl);
      // The page does not see the answers, but this test does.
      const statuses: number[] = [];
      page.on('response', (response) => statuses.push(response.status()));
      const tries = await page.evaluate(async (target) => {
        const position = '{"user":"alice","lat":53.2,"lon":6.5}';
        const attempt = (path: string, init: RequestInit) =>
          fetch(target + path, init).then(({ type, status }) => `${type} ${status}`, String);
        const beacon = navigator as unknown as { sendBeacon(url: string, data: string): boolean };
        const text = { 'content-type': 'text/plain' };
        const json = { 'content-type': 'application/json' };
        return [
          await attempt('/v1/locations', { method: 'POST', mode: 'no-cors', headers: text, body: position }),
          await attempt('/v1/locations', { method: 'POST', mode: 'no-cors', body: new Blob([position]) }),
          String(beacon.sendBeacon(`${target}/v1/locations`, position)),
          await attempt('/v1/automation', { method: 'PUT', headers: json, body: '{"paused":true}' }),
          await attempt('/v1/vms/desk-1', { method: 'DELETE' }),
        ];
      }, scene.url);
      // The browser sends what needs no permission.
      expect(tries.slice(0, 3)).toEqual(['opaque 0', 'opaque 0', 'true']);
      const held = await page.evaluate(
        (target) =>
          Promise.all(
            [1, 2, 3].map(() => fetch(`${target}/dashboard/live`, { mode: 'no-cors' }).then(({ type }) => type)),
          ),
        scene.url,
      );
      expect(held).toEqual(['opaque', 'opaque', 'opaque']);
      expect(statuses.length).toBeGreaterThanOrEqual(5);
      expect(statuses.filter((status) => status < 400)).toEqual([]);
      const { paused, positions, homes } = await picture();
      expect({ paused, positions }).toEqual({ paused: false, positions: [] });
      expect(homes.map(([vm]) => vm).sort()).toEqual(['desk-1', 'desk-2']);
    }),
  );

  test('cannot read or order anything after its name was bound to this server', { timeout: 90_000 }, () =>
    withPage({}, async ({ page }) => {
      const rebound = `http://rebound.localhost:${port}`;
      const first = await page.goto(`${rebound}/openapi.json`);
      expect(first?.status()).toBe(403);
      const statuses = await page.evaluate(async () => {
        const json = { 'content-type': 'application/json' };
        const status = async (method: string, path: string, body?: string) =>
          (await fetch(path, { method, ...(body && { headers: json, body }) })).status;
        return [
          await status('GET', '/v1/dashboard/past?atMs=9999999999999'),
          await status('POST', '/v1/sites/west/drain', '{"draining":true}'),
          await status('PUT', '/v1/automation', '{"paused":true}'),
          await status('DELETE', '/v1/vms/desk-2'),
          await status('POST', '/v1/vms/desk-1/moves', '{"to":"east"}'),
        ];
      });
      expect(statuses).toEqual([403, 403, 403, 403, 403]);
      const { paused, sites } = await picture();
      expect(paused).toBe(false);
      expect(sites.some(({ draining }) => draining)).toBe(false);
    }),
  );
});
