/** The dashboard runs as its own process beside the other services on NATS. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Picture } from '#services/dashboard/wire.ts';
import { PATIENTLY } from '../patience.ts';
import { onNats, startNats } from '../servers/nats.ts';
import { begin, file, tagalong } from './cli.ts';

const TOKEN = 'a token of more than sixteen';
const SPEC = '{ ramBytes: 100000000, dirtyRateBps: 1000000, workingSetBytes: 5000000 }';

const settings = (url: string, services: readonly string[] = []) => `
bus: { url: "${url}", partitions: 4 }
store: { url: "${url}" }
http: { port: 0, token: ${TOKEN} }
heartbeatMs: 500
policy: { name: never, siteSilentMs: 10000 }
dashboard: { services: [${services.map((one) => `"${one}"`).join(', ')}] }
sites:
  - { site: west, lat: 52, lon: 4, slots: 8, uplinks: [{ provider: a, rateBps: 125000000 }] }
  - { site: east, lat: 53, lon: 5, slots: 8, uplinks: [{ provider: a, rateBps: 125000000 }] }
vms: [{ vm: desk-1, home: west, spec: ${SPEC}, sessions: [{ user: alice }] }]
`;

onNats('a dashboard beside the other services', () => {
  let server: Awaited<ReturnType<typeof startNats>>;
  beforeAll(async () => {
    server = await startNats();
  }, 90_000);
  afterAll(() => server?.stop());

  test('shows events from before and after its start, and forwards the orders of operators', {
    timeout: 180_000,
  }, async () => {
    const config = await file('tagalong.yaml', settings(server.url));
    const others = ['placement', 'migrator', 'ingest'].map((name) => begin([name, '--config', config]));
    const urls = await Promise.all(others.map((running) => running.url()));
    const dashboard = begin(['dashboard', '--config', await file('dashboard.yaml', settings(server.url, urls))]);
    const url = await dashboard.url();
    const ask = async (method: string, path: string, body?: object) => {
      const headers = { authorization: `Bearer ${TOKEN}`, ...(body && { 'content-type': 'application/json' }) };
      const response = await fetch(url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
      const text = await response.text();
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
    };
    const picture = async () => (await ask('GET', `/v1/dashboard/past?atMs=${Date.now()}`)).body as Picture;

    expect(await (await fetch(url)).text()).toContain('<title>Tagalong</title>');
    await vi.waitFor(async () => {
      const { sites, homes } = await picture();
      expect(sites.map(({ site, vms }) => [site, vms]).toSorted()).toEqual([
        ['east', 0],
        ['west', 1],
      ]);
      expect(homes).toEqual([['desk-1', 'west']]);
    }, PATIENTLY);

    expect((await ask('POST', '/v1/locations', { user: 'alice', lat: 52, lon: 4 })).status).toBe(202);
    await vi.waitFor(async () => expect((await picture()).users).toEqual([[0, 'alice', 'desk-1']]), PATIENTLY);
    expect(await ask('GET', '/dashboard/vms/desk-1/explanation')).toMatchObject({
      status: 200,
      body: { home: 'west' },
    });
    expect(await ask('GET', '/dashboard/vms/desk-2/explanation')).toMatchObject({
      status: 404,
      body: { error: { code: 'VM_UNKNOWN' } },
    });

    expect((await ask('PUT', '/v1/automation', { paused: true })).status).toBe(202);
    await vi.waitFor(async () => expect((await picture()).paused).toBe(true), PATIENTLY);
    const status = await tagalong(['status'], { TAGALONG_URL: urls.join(), TAGALONG_TOKEN: TOKEN });
    expect(status.stdout).toContain('automatic moves are paused');

    expect((await ask('POST', '/v1/vms/desk-1/moves', { to: 'east' })).status).toBe(202);
    await vi.waitFor(async () => {
      const { homes, moves, decisions } = await picture();
      expect(homes).toEqual([['desk-1', 'east']]);
      expect(moves).toMatchObject([{ migration: 'desk-1:1', outcome: 'completed' }]);
      expect(decisions).toMatchObject([{ decision: 'desk-1:1', source: 'operator' }]);
    }, PATIENTLY);
    const ended = await dashboard.stop();
    expect(ended.code, ended.stderr).toBe(0);
  });
});
