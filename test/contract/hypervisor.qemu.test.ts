import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { topologies } from '#deploy/testbed/topology.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { qemuHypervisor } from '#shared/hypervisor/qemu/driver.ts';
import { onTestBed } from '../testbed/needs.ts';
import { hypervisorContract } from './hypervisor.ts';

const uplinks = ['north', 'south'].map((provider) => ({ provider, rateBps: 25e6 }));
const topology = topologies.parse(
  JSON.stringify({
    sites: ['oslo', 'bonn'].map((site, i) => ({ site, lat: 50 + i, lon: 10, slots: 4, uplinks })),
    clients: [{ client: 'phone' }],
  }),
  'topology',
);

onTestBed('real VMs', () => {
  let bed: TestBed;
  let serial = 0;
  beforeAll(async () => {
    bed = await openTestBed(topology);
  }, 120_000);
  afterAll(() => bed?.close());

  const harness = () => {
    const vm = `vm${++serial}`;
    const rules = {
      announce: 'before',
      joinMs: 2000,
      stallMs: 10_000,
      maxRounds: 30,
      maxPauseMs: 5000,
      postCopy: false,
    } as const;
    const hypervisor = qemuHypervisor({ agents: bed.agents, sites: topology.sites, rules });
    const spec = { dirtyRateBps: 0, workingSetBytes: 0, diskBytes: 0, downtimeLimitMs: 300, targetRttMs: 10 };
    return {
      hypervisor,
      move: { id: `${vm}:1`, vm, from: 'oslo', to: 'bonn', spec: { ramBytes: 128 * 2 ** 20, ...spec } },
      async place(name: string, site: string) {
        const machine = { image: 'default', vcpus: 1, spec: { ramBytes: 128 * 2 ** 20, ...spec } };
        await bed.agents.get(site)!.order(name, 'start', { machine });
        await bed.ready(site, name);
      },
      async runningSites(name: string) {
        const sites: string[] = [];
        for (const [site, agent] of bed.agents) {
          if ((await agent.instance(name)).instance?.state === 'running') sites.push(site);
        }
        return sites;
      },
      async until(condition: () => boolean) {
        for (const untilMs = Date.now() + 40_000; !condition(); await sleep(5)) {
          if (Date.now() > untilMs) throw new Error('nothing more happens');
        }
      },
      settle: () => sleep(250),
      async close() {
        hypervisor.close();
        for (const agent of bed.agents.values()) await agent.order(vm, 'remove', {});
      },
    };
  };
  hypervisorContract('QEMU, storage that is shared', harness);
});
