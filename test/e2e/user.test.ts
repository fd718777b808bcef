/** `tagalong user`: an admin exports a user, erases it, and finds nothing any more. */
import { expect, test } from 'vitest';
import { begin, file, tagalong } from './cli.ts';

const TOKEN = 'a token of more than sixteen';
const sites = [{ site: 'west', lat: 42, lon: -71, slots: 1, uplinks: [{ provider: 'a', rateBps: 1e8 }] }];
const vms = [{ vm: 'desk', home: 'west', spec: { ramBytes: 1e9, dirtyRateBps: 1e6, workingSetBytes: 1e6 } }];

test('an admin exports a user and erases it', { timeout: 120_000 }, async () => {
  const config = await file('tagalong.json', JSON.stringify({ http: { port: 0, token: TOKEN }, sites, vms }));
  const server = begin(['up', '--config', config]);
  const url = await server.url();
  const env = { TAGALONG_URL: url, TAGALONG_TOKEN: TOKEN };
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { status } = await fetch(`${url}/v1/vms/desk/sessions/j.%C3%9F@x`, { method: 'PUT', headers });
  // Without a key of the pseudonyms an id has to fit the bus.
  expect(status).toBe(400);
  expect((await fetch(`${url}/v1/vms/desk/sessions/alice`, { method: 'PUT', headers })).status).toBe(204);

  const exported = await tagalong(['user', 'export', 'alice'], env);
  expect(JSON.parse(exported.stdout)).toMatchObject({ places: { sessions: [{ vm: 'desk', weight: 1 }] } });

  const erased = await tagalong(['user', 'erase', 'alice', '--json'], env);
  expect({ code: erased.code, ...JSON.parse(erased.stdout) }).toMatchObject({ code: 0, complete: true });
  const again = await tagalong(['user', 'erase', 'alice'], env);
  expect(again.code, again.stderr).toBe(0);
  expect(again.stdout).toMatch(/sessions +0\n/);
  expect(again.stdout).toContain('What is left:\ndashboards: ');
  const after = await tagalong(['user', 'export', 'alice', '--json'], env);
  expect(Object.values(JSON.parse(after.stdout).places).flat()).toEqual([]);
  expect((await tagalong(['user', 'export', 'alice'], { ...env, TAGALONG_TOKEN: 'some other token' })).code).toBe(1);
});
