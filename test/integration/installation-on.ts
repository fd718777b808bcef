/** Two installations use one prefix on one server, by mistake: the second is refused. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { joinInstallation } from '#services/runtime/installation.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import { file, tagalong } from '../e2e/cli.ts';

interface Given {
  readonly prefix: string;
  readonly storePrefix?: string;
  readonly sites?: readonly string[];
  readonly installation?: string;
}

/** @param start starts the server */
export function installationsOn(start: () => Promise<{ readonly url: string; stop(): Promise<void> }>): void {
  let server: Awaited<ReturnType<typeof start>>;
  const closing: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await start();
  }, 90_000);
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  afterAll(() => server?.stop());

  const textOf = ({ prefix, storePrefix = prefix, sites = [], installation }: Given) =>
    JSON.stringify({
      ...(installation && { installation }),
      http: { port: 0 },
      bus: { url: server.url, prefix, partitions: 2, replicas: 1 },
      store: { url: server.url, prefix: storePrefix, replicas: 1 },
      sites: sites.map((site) => ({ site, lat: 52, lon: 4, slots: 4, uplinks: [{ provider: 'a', rateBps: 1e6 }] })),
    });
  const join = async (given: Given) => {
    const config = parseConfig(textOf(given), 'test');
    const log = createLog('silent');
    const [bus, store] = [await openBus(config, log), await openStore(config, log)];
    closing.push(
      () => bus.close(),
      () => store.close(),
    );
    return joinInstallation(config, bus, store);
  };
  const newPrefix = () => `t${randomUUID().slice(0, 8)}`;

  test('processes of one configuration belong to one installation, also while sites come and go', async () => {
    const prefix = newPrefix();
    const id = await join({ prefix, sites: ['boston', 'new-york'] });
    // A monitor may have no sites. Later a site joins, and another leaves.
    for (const sites of [[], ['boston', 'new-york', 'chicago'], ['new-york', 'chicago'], ['chicago'], []]) {
      expect(await join({ prefix, sites })).toBe(id);
    }
  });

  test('a process with other sites is refused, unless it names the installation', async () => {
    const prefix = newPrefix();
    const id = await join({ prefix, sites: ['boston', 'new-york'] });
    const other = { prefix, sites: ['paris'] };
    await expect(join(other)).rejects.toMatchObject({ code: 'INSTALLATION_OTHER' });
    await expect(join({ ...other, installation: 'france' })).rejects.toMatchObject({ code: 'INSTALLATION_OTHER' });
    // The refused processes have changed nothing.
    expect(await join({ prefix, sites: ['boston'] })).toBe(id);
    expect(await join({ ...other, installation: id })).toBe(id);
  });

  test('an installation gets a name at any time; a process with another name is refused', async () => {
    const prefix = newPrefix();
    const sites = ['boston'];
    await join({ prefix, sites });
    expect(await join({ prefix, sites, installation: 'coast' })).toBe('coast');
    // Processes with the old file still join.
    expect(await join({ prefix, sites })).toBe('coast');
    await expect(join({ prefix, sites, installation: 'plains' })).rejects.toMatchObject({ code: 'INSTALLATION_OTHER' });
  });

  test('a process with the bus of one installation and the store of another is refused', async () => {
    const prefix = newPrefix();
    await join({ prefix, sites: ['boston'] });
    const mixed = { prefix, storePrefix: newPrefix(), sites: ['boston'] };
    await expect(join(mixed)).rejects.toMatchObject({ code: 'INSTALLATION_OTHER' });
  });

  test('one of two installations that start at the same time owns the empty bus', async () => {
    const prefix = newPrefix();
    const both = [newPrefix(), newPrefix()].map((storePrefix) => join({ prefix, storePrefix, sites: ['boston'] }));
    const outcomes = (await Promise.allSettled(both)).map(({ status }) => status);
    expect(outcomes.sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('a service of another installation ends with one line, without partitions', { timeout: 120_000 }, async () => {
    const prefix = newPrefix();
    await join({ prefix, sites: ['boston'] });
    const config = await file('tagalong.yaml', textOf({ prefix, sites: ['paris'] }));
    const { code, stdout, stderr } = await tagalong(['placement', '--config', config]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.split('\n').filter((line) => line.startsWith('tagalong: INSTALLATION_OTHER: '))).toHaveLength(1);
    expect(stderr).not.toContain('partitions gained');
  });
}
