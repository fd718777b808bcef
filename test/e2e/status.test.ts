/** `tagalong status` of several processes, for any set of addresses and with unreachable processes. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ProcessName } from '#services/process/modules.ts';
import { createSingle, type Single } from '#services/process/single.ts';
import { simulatedMachines } from '#services/sites/hosts/simulated.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { PATIENTLY } from '../patience.ts';
import { tagalong } from './cli.ts';

const TOKEN = 'a token of more than sixteen';
const SETTINGS = {
  http: { port: 0, token: TOKEN },
  sites: ['west', 'east'].map((site, i) => ({
    ...{ site, lat: 52, lon: 4 + i, slots: 9 },
    // A slow path, so that a move takes longer than the test.
    uplinks: [{ provider: 'a', rateBps: 1_000_000 }],
  })),
  vms: Array.from({ length: 6 }, (_, i) => ({
    ...{ vm: `desk-${i}`, home: 'west' },
    spec: { ramBytes: 4e9, dirtyRateBps: 1000, workingSetBytes: 1e6 },
  })),
};

const [bus, store, clock] = [memoryBus(), memoryStore(), realClock()];
const running = new Map<string, { readonly single: Single; readonly url: string }>();

async function start(key: string, name: ProcessName, settings: object = {}): Promise<void> {
  const config = parseConfig(JSON.stringify({ ...SETTINGS, ...settings }), 'test');
  const single = await createSingle(name, {
    ...{ config, clock, log: createLog('silent'), machines: async () => simulatedMachines(config, clock) },
    // All processes share one bus and one store.
    bus: { ...bus, close: async () => {} },
    store: { ...store, close: async () => {} },
  });
  const { url } = await single.listen();
  running.set(key, { single, url });
  await single.start();
}
const stop = async (key: string) => {
  await running.get(key)!.single.stop();
  running.delete(key);
};
const urlOf = (key: string) => running.get(key)!.url;
const status = (urls: readonly string[], ...args: string[]) =>
  tagalong(['status', '--url', urls.join(','), ...args], { TAGALONG_TOKEN: TOKEN });
const parsed = async (urls: readonly string[]) => JSON.parse((await status(urls, '--json')).stdout);

beforeAll(async () => {
  await start('one', 'placement');
  await start('two', 'placement');
  await start('migrator', 'migrator');
  await start('monitor', 'monitor');
  await start('ingest', 'ingest');
  await start('dashboard', 'dashboard', { dashboard: { services: [urlOf('one'), urlOf('migrator')] } });
  const urls = [urlOf('one'), urlOf('two'), urlOf('migrator')];
  await vi.waitFor(async () => expect((await parsed(urls)).vms).toHaveLength(6), PATIENTLY);
  const args = ['migrate', 'desk-1', '--to', 'east', '--url', urls.join(',')];
  expect((await tagalong(args, { TAGALONG_TOKEN: TOKEN })).code).toBe(0);
  await vi.waitFor(async () => expect((await parsed(urls)).migrations).toHaveLength(1), PATIENTLY);
}, 120_000);
afterAll(async () => {
  for (const key of [...running.keys()].reverse()) await stop(key);
});

describe('status', { timeout: 120_000 }, () => {
  test('counts each VM, move and arrival once, for any set of addresses', async () => {
    const all = [...running.values()].map(({ url }) => url);
    const lists = [all, [...all, ...all], [...all.toReversed(), `${all[0]}/`], all.filter((_, i) => i !== 5)];
    for (const urls of lists) {
      const report = await parsed(urls);
      expect(report.missing).toEqual([]);
      expect(report.vms.map(({ vm }: { vm: string }) => vm)).toEqual(SETTINGS.vms.map(({ vm }) => vm));
      expect(report.migrations).toHaveLength(1);
      expect(report.sites).toMatchObject([
        { site: 'east', vms: 0, inbound: 1 },
        { site: 'west', vms: 6, inbound: 0 },
      ]);
    }
  });

  test('shows sites and VMs without the migrator, and reports that moves are missing', async () => {
    const { code, stdout } = await status([urlOf('one'), urlOf('two'), 'http://127.0.0.1:3']);
    expect(code).toBe(0);
    expect(stdout).toContain('desk-0');
    expect(stdout).toMatch(/^missing: moves: /m);
    expect(stdout).toMatch(/^missing: http:\/\/127\.0\.0\.1:3 does not answer \(ECONNREFUSED\)/m);
  });

  test('shows moves without a placement, and reports that sites and VMs are missing', async () => {
    const { code, stdout } = await status([urlOf('migrator')]);
    expect(code).toBe(0);
    expect(stdout).toContain('desk-1');
    expect(stdout).toMatch(/^missing: sites and VMs: /m);
    expect(await parsed([urlOf('migrator')])).toMatchObject({ policy: null, vms: [], migrations: [{ vm: 'desk-1' }] });
  });

  test('names the missing partitions with one of two placements', async () => {
    const report = await parsed([urlOf('two'), urlOf('migrator')]);
    expect(report.partitions.held.length).toBeLessThan(16);
    expect(report.missing).toEqual([expect.stringMatching(/^VMs on \d+ of 16 partitions/)]);
  });

  test('names the service of a process that has no status', async () => {
    const { code, stdout, stderr } = await status([urlOf('monitor'), urlOf('ingest')]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(`${urlOf('monitor')} is monitor`);
    expect(stderr).toContain(`${urlOf('ingest')} is ingest`);
  });
});

describe('a failure', { timeout: 120_000 }, () => {
  test('is JSON with --json', async () => {
    const { code, stdout, stderr } = await status(['http://127.0.0.1:3'], '--json');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({ error: { code: 'SERVER_UNREACHABLE', message: expect.any(String) } });
    const usage = await tagalong(['status', '--json', '--nonsense']);
    expect(usage.code).toBe(2);
    expect(JSON.parse(usage.stderr).error.code).toBe('USAGE');
  });

  test('without a token names the option --token-file, and differs from the failure with a wrong token', async () => {
    const [none, wrong] = [
      await tagalong(['status', '--url', urlOf('one')]),
      await tagalong(['status', '--url', urlOf('one')], { TAGALONG_TOKEN: 'another of sixteen and more' }),
    ];
    for (const { code, stderr } of [none, wrong]) {
      expect(code).toBe(1);
      expect(stderr).toMatch(/^tagalong: UNAUTHORIZED: .*TAGALONG_TOKEN .* --token-file\n$/);
    }
    expect(none.stderr).not.toBe(wrong.stderr);
  });
});

test('cancel cancels the move of the named VM', { timeout: 120_000 }, async () => {
  const args = ['cancel', 'desk-1', '--json', '--url', urlOf('migrator')];
  const { code, stdout } = await tagalong(args, { TAGALONG_TOKEN: TOKEN });
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual({ migration: expect.stringMatching(/^desk-1:\d+$/) });
  await vi.waitFor(async () => expect((await parsed([urlOf('migrator')])).migrations).toEqual([]), PATIENTLY);
  const again = await tagalong(args, { TAGALONG_TOKEN: TOKEN });
  expect(JSON.parse(again.stderr).error.code).toBe('MIGRATION_UNKNOWN');
});
