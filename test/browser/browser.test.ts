import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { PATIENTLY } from '../patience.ts';
import { onBrowser, PHONE } from './browser.ts';

onBrowser('the browser of the tests', (withPage) => {
  test('a watched page reports console errors, thrown errors, failed requests, and every request', async () => {
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/' ? 200 : 404, { 'content-type': 'text/html' });
      response.end(`<link rel=icon href=data:,><p>Hello</p>
        <script>console.error('said'); setTimeout(() => { throw new Error('thrown'); })</script>
        <script src=http://127.0.0.1:1/gone.js></script>`);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      await withPage({}, async ({ page, errors, requests }) => {
        await page.goto(address);
        await expect.poll(() => errors.join('\n'), PATIENTLY).toMatch(/said[\s\S]*thrown|thrown[\s\S]*said/);
        await expect.poll(() => errors.join('\n'), PATIENTLY).toContain('gone.js');
        expect(requests).toEqual([address, 'http://127.0.0.1:1/gone.js']);
      });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test('a silent page reports no error, and a phone is 390 pixels wide', async () => {
    await withPage(PHONE, async ({ page, errors, requests }) => {
      await page.setContent('<title>Quiet</title>');
      expect(await page.evaluate('innerWidth')).toBe(390);
      expect([errors, requests]).toEqual([[], []]);
    });
  });
});
