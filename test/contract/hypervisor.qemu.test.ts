import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { specOf } from '#deploy/testbed/moves.ts';
import { topologies } from '#deploy/testbed/topology.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { PHASES } from '#shared/events/index.ts';
import type { Report } from '#shared/hypervisor/hypervisor.ts';
import { qemuHypervisor } from '#shared/hypervisor/qemu/driver.ts';
import { createLog } from '#shared/log.ts';
import { onTestBed } from '../testbed/needs.ts';
import { VmPool } from '../testbed/pool.ts';
import { hypervisorContract } from './hypervisor.ts';

const uplinks = ['north', 'south'].map((provider) => ({ provider, rateBps: 40e6 }));
const topology = topologies.parse(
  JSON.stringify({
    sites: ['oslo', 'bonn'].map((site, i) => ({ site, lat: 50 + i, lon: 10, slots: 4, uplinks })),
    clients: [{ client: 'phone' }],
  }),
  'topology',
);

const rules = {
  ...{ announce: 'before' as const, joinMs: 2000, stallMs: 10_000, maxRounds: 30, maxPauseMs: 5000, postCopy: false },
};

onTestBed('real VMs', () => {
  let bed: TestBed;
  let pool: VmPool;
  let serial = 0;
  beforeAll(async () => {
    bed = await openTestBed(topology);
    pool = new VmPool(bed);
  }, 120_000);
  afterAll(() => bed?.close());

  const harness = async () => {
    const { vm, from, to } = await pool.take();
    const hypervisor = qemuHypervisor({ agents: bed.agents, sites: topology.sites, rules, log: createLog('silent') });
    const move = { id: `${vm}:${++serial}`, vm, from, to, spec: specOf() };
    const until = async (condition: () => boolean) => {
      for (const untilMs = Date.now() + 40_000; !condition(); await sleep(5)) {
        if (Date.now() > untilMs) throw new Error('nothing more happens');
      }
    };
    /** Gives an order. @returns the first report that is no progress */
    const answer = async (give: () => void) => {
      const answers: Report[] = [];
      hypervisor.listen((report) => {
        if (report.kind !== 'progress') answers.push(report);
      });
      give();
      await until(() => answers.length > 0);
      return answers[0]!;
    };
    /** Undoes the move, or completes it after the switch-over. */
    const finish = async () => {
      const { kind } = await answer(() => hypervisor.abort(move));
      if (kind === 'aborted') return;
      for (const step of PHASES.slice(PHASES.indexOf('switch'))) await answer(() => hypervisor.begin(step, move));
    };
    return {
      hypervisor,
      move,
      // The VMs of the pool already run.
      startVm: () => {},
      async runningSites(name: string) {
        const sites: string[] = [];
        for (const [site, agent] of bed.agents) {
          if ((await agent.instance(name)).instance?.state === 'running') sites.push(site);
        }
        return sites;
      },
      until,
      settle: () => sleep(250),
      async close() {
        await finish().catch(() => {});
        hypervisor.close();
        await pool.give(vm);
      },
    };
  };
  hypervisorContract('QEMU, shared storage', harness);
});
