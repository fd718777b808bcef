/** `tagalong init` writes a configuration with fresh secrets, which starts as it is. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '#shared/config/load.ts';
import { tagalong } from './cli.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tagalong-init-'));
});
afterEach(() => rm(folder, { recursive: true }));

const content = async (name: string) => (await readFile(join(folder, 'edge', name), 'utf8')).trim();

test('it writes what other hosts may reach, once, for its owner alone; two of them differ', {
  timeout: 120_000,
}, async () => {
  const args = ['init', join(folder, 'edge'), '--host', '0.0.0.0', '--bus', 'nats://nats-1:4222,nats-2:4222'];
  const { code, stdout, stderr } = await tagalong(args);
  expect([code, stderr]).toEqual([0, '']);
  const names = (await readdir(join(folder, 'edge'))).toSorted();
  expect(names).toEqual(['admin.token', 'pseudonym.key', 'tagalong.yaml']);
  for (const name of names) expect((await stat(join(folder, 'edge', name))).mode & 0o777, name).toBe(0o600);

  const { http, ingest, bus, store } = await loadConfig(join(folder, 'edge/tagalong.yaml'));
  expect(http).toMatchObject({ host: '0.0.0.0', token: await content('admin.token') });
  expect(ingest.pseudonymKey).toBe(await content('pseudonym.key'));
  expect(ingest.pseudonymKey).not.toBe(http.token);
  expect([bus.url, store.url]).toEqual(Array(2).fill('nats://nats-1:4222,nats-2:4222'));
  expect(await content('tagalong.yaml')).toContain('# The sites that can run VMs.');
  expect(stdout).toContain(join(folder, 'edge/tagalong.yaml'));
  expect(stdout).not.toContain(http.token);

  const again = await tagalong(args);
  expect([again.code, again.stderr]).toEqual([2, expect.stringMatching(/^tagalong: FILE_EXISTS: /)]);
  expect(await content('admin.token')).toBe(http.token);

  const other = await tagalong(['init', join(folder, 'other'), '--secrets']);
  expect(other.code).toBe(0);
  expect((await readdir(join(folder, 'other'))).toSorted()).toEqual(['admin.token', 'pseudonym.key']);
  expect(await readFile(join(folder, 'other/admin.token'), 'utf8')).not.toContain(http.token);
});

test('an option that does not fit is refused, and nothing is written', { timeout: 60_000 }, async () => {
  const { code, stderr } = await tagalong(['init', join(folder, 'edge'), '--bus', 'redis://host:1']);
  expect([code, stderr]).toEqual([2, expect.stringMatching(/^tagalong: USAGE: .*bus\.url/)]);
  expect(await readdir(folder)).toEqual([]);
});
