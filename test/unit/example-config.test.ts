import { expect, test } from 'vitest';
import { loadConfig } from '#shared/config/load.ts';

const path = new URL('../../deploy/tagalong.example.yaml', import.meta.url).pathname;

test('the example configuration is a valid one: its VM runs at one of its sites, and the two sites have two paths', async () => {
  const { sites, vms, http, ingest } = await loadConfig(path);
  expect(sites.map(({ site }) => site)).toEqual(['boston', 'new-york']);
  expect(sites.map(({ uplinks }) => uplinks.map(({ provider }) => provider))).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ]);
  expect(vms).toMatchObject([{ vm: 'desktop-1', home: 'boston', sessions: [{ user: 'alice', weight: 1 }] }]);
  // Whoever copies it begins with both of them on.
  expect(http.token).toBeDefined();
  expect(ingest.pseudonymKey).toBeDefined();
});
