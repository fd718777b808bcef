/** A stored place is unreadable. `GET /v1/set-aside`, and so `status`, shows it, and no site starts its VM. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSystem } from '#services/process/system.ts';
import { keptMachines } from '#services/sites/hosts/kept.ts';
import { qemuMachines } from '#services/sites/hosts/remote.ts';
import { handedKey, PLACE_RECORD, placeKey } from '#services/sites/place-records.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import type { Store } from '#shared/store/store.ts';
import { PATIENTLY } from '../patience.ts';
import { FakeSites } from '../property/fake-agents.ts';

const SPEC = {
  ...{ ramBytes: 1e9, dirtyRateBps: 0, workingSetBytes: 0, diskBytes: 0 },
  ...{ downtimeLimitMs: 300, targetRttMs: 10 },
};
const BROKEN = { v: 1_000, value: 'written by a later program' };
const log = createLog('silent');

let fakes: FakeSites;
beforeEach(async () => {
  fakes = new FakeSites(['a', 'b']);
  await fakes.open();
});
afterEach(() => fakes.close());

/** Runs all services on this store, calls `look`, and stops them. */
async function running(
  kind: 'qemu' | 'simulated',
  store: Store,
  look: (url: string, system: ReturnType<typeof createSystem>) => Promise<void>,
) {
  const uplinks = [{ provider: 'north', rateBps: 1e9 }];
  const sites = fakes.names.map((site, i) => ({ site, lat: 50 + i, lon: 8, slots: 9, uplinks }));
  const config = parseConfig(
    JSON.stringify({
      http: { port: 0 },
      heartbeatMs: 100,
      hypervisor: kind === 'qemu' ? { kind, tls: fakes.tls('control'), joinMs: 0 } : { kind },
      sites: sites.map((site) => (kind === 'qemu' ? { ...site, agent: fakes.url(site.site) } : site)),
    }),
    'test',
  );
  const clock = realClock();
  const machines = kind === 'qemu' ? await qemuMachines(config, store, log) : keptMachines(config, clock, store, log);
  const system = createSystem({ config, clock, bus: memoryBus(), store, log, machines });
  const { url } = await system.listen();
  await system.start();
  try {
    await look(url, system);
  } finally {
    await system.stop();
  }
}

async function setAsideAt(url: string) {
  return ((await (await fetch(`${url}/v1/set-aside`)).json()) as { setAside: object[] }).setAside;
}

test.each([
  ['qemu', handedKey],
  ['simulated', placeKey],
] as const)('%s: an unreadable place is shown, and only its VM is not started', async (kind, keyOf) => {
  const store = { ...memoryStore(), close: async () => {} };
  await store.put([{ key: keyOf('lost'), value: BROKEN, revision: 0 }]);
  await running(kind, store, async (url, system) => {
    const entry = { key: keyOf('lost'), kind: 'place', code: 'STORE_RECORD_UNREADABLE' };
    expect(await setAsideAt(url)).toMatchObject([entry]);
    await system.ingest.declareVm('lost', 'a', SPEC);
    await system.ingest.declareVm('other', 'a', SPEC);
    await vi.waitFor(async () => expect(await store.get(keyOf('other'))).toBeDefined(), PATIENTLY);
    if (kind === 'qemu') await vi.waitFor(() => expect(fakes.runningSites('other')).toEqual(['a']), PATIENTLY);
    expect(fakes.runningSites('lost')).toEqual([]);
    expect((await store.get(keyOf('lost')))?.value).toEqual(BROKEN);
    expect(await setAsideAt(url)).toMatchObject([entry]);
  });

  const { revision } = (await store.get(keyOf('lost')))!;
  await store.put([{ key: keyOf('lost'), value: PLACE_RECORD.write({ site: 'b' }), revision }]);
  await running(kind, store, async (url) => expect(await setAsideAt(url)).toEqual([]));
});
