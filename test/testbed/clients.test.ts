/** The connections of a real VM's clients during its moves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startProxy } from '#deploy/proxy/proxy.ts';
import { bedClient } from '#deploy/testbed/client.ts';
import { moveVm, RULES, twoSites } from '#deploy/testbed/moves.ts';
import { openTestBed, type TestBed } from '#deploy/testbed/world.ts';
import { onlyLong } from '../long.ts';
import { onTestBed } from './needs.ts';
import { type PooledVm, VmPool } from './pool.ts';

const PROXY_PORT = 7000;
/** The time that a client goes on after a move, to show broken connections. */
const AFTERWARDS_MS = 2500;

onTestBed('clients of a real VM', () => {
  let bed: TestBed;
  let pool: VmPool;
  beforeAll(async () => {
    bed = await openTestBed(twoSites(25e6, 'phone', 'edge'));
    pool = new VmPool(bed);
  });
  afterAll(() => bed?.close());

  /** Runs `work` with a VM, its two sites and its address. */
  const withVm = (work: (pooled: PooledVm, host: string) => Promise<void>) =>
    pool.with(async (pooled) => work(pooled, await bed.ready(pooled.from, pooled.vm)));

  test('over MPTCP, one connection follows the VM there and back without a lost byte', () =>
    withVm(async ({ vm, from, to }, host) => {
      const client = bedClient(bed.network, { at: 'phone', host, mptcp: true, loadBps: 100_000 });
      expect(await client.connected).toMatchObject({ transport: 'mptcp' });
      const there = await moveVm(bed, vm, from, to);
      const back = await moveVm(bed, vm, to, from);
      await sleep(AFTERWARDS_MS);
      const report = await client.stop();
      expect(report).toMatchObject({ ended: 'stopped', connections: 1, resets: 0 });
      expect(report).toMatchObject({ lostBytes: 0, reorderedBytes: 0, corruptedBytes: 0 });
      expect(report.intactBytes).toBe(report.sentBytes);
      expect(there.degraded).toEqual([]);
      expect(back.degraded).toEqual([]);
      // Both moves had a pause, and the client's gap is short.
      expect(Math.min(there.pauseMs, back.pauseMs)).toBeGreaterThan(0);
      expect(report.longestGapMs).toBeLessThan(3000);
    }));

  test('over plain TCP through the edge proxy, the connection survives', () =>
    withVm(async ({ vm, from, to }, host) => {
      const proxy = await startProxy({
        listen: { host: '10.201.2.2', port: PROXY_PORT },
        server: { host, port: 7 },
        runDir: `${bed.network.run.path}/proxy`,
        spawn: (program, args) => bed.network.spawn('edge', [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }),
      });
      try {
        const client = bedClient(bed.network, { at: 'phone', host: '10.201.2.2', port: PROXY_PORT, mptcp: false });
        expect(await client.connected).toMatchObject({ transport: 'tcp' });
        const { degraded } = await moveVm(bed, vm, from, to);
        await sleep(AFTERWARDS_MS);
        expect(await client.stop()).toMatchObject({ ended: 'stopped', resets: 0, lostBytes: 0, corruptedBytes: 0 });
        expect(degraded).toEqual([]);
        // New connections reach the new address.
        const { instance } = await bed.agents.get(to)!.instance(vm);
        await proxy.pointTo(instance!.lan.address, 7);
        const later = bedClient(bed.network, { at: 'phone', host: '10.201.2.2', port: PROXY_PORT, mptcp: false });
        await later.connected;
        expect(await later.stop()).toMatchObject({ ended: 'stopped', resets: 0 });
      } finally {
        await proxy.stop();
      }
    }));

  describe('clients that cannot follow are reported', () => {
    test('a plain TCP connection to the VM itself stops, and the move is degraded', () =>
      withVm(async ({ vm, from, to }, host) => {
        const client = bedClient(bed.network, { at: 'phone', host, mptcp: false });
        expect(await client.connected).toMatchObject({ transport: 'tcp' });
        const { degraded } = await moveVm(bed, vm, from, to, { rules: { ...RULES, joinMs: 500 } });
        expect(degraded).toContain('clients-unjoined');
        await sleep(AFTERWARDS_MS);
        const report = await client.stop();
        expect(report.intactBytes).toBeLessThan(report.sentBytes);
      }));

    onlyLong(() => {
      test('a client that accepts no announced address is counted', () =>
        withVm(async ({ vm, from, to }, host) => {
          await bed.network.exec('phone', ['ip', 'mptcp', 'limits', 'set', 'subflows', '8', 'add_addr_accepted', '0']);
          try {
            const client = bedClient(bed.network, { at: 'phone', host, mptcp: true });
            await client.connected;
            const { degraded } = await moveVm(bed, vm, from, to, { rules: { ...RULES, joinMs: 500 } });
            expect(degraded).toEqual(['clients-unjoined']);
            await client.stop();
          } finally {
            await bed.network.exec('phone', [
              'ip',
              'mptcp',
              'limits',
              'set',
              'subflows',
              '8',
              'add_addr_accepted',
              '8',
            ]);
          }
        }));
    });
  });

  test('an announcement after the move, as in the paper, costs the client more than the pause', () =>
    withVm(async ({ vm, from, to }, host) => {
      const client = bedClient(bed.network, { at: 'phone', host, mptcp: true });
      await client.connected;
      const { pauseMs } = await moveVm(bed, vm, from, to, { rules: { ...RULES, announce: 'after' } });
      await sleep(AFTERWARDS_MS);
      const report = await client.stop();
      expect(report).toMatchObject({ ended: 'stopped', resets: 0, lostBytes: 0 });
      expect(report.longestGapMs).toBeGreaterThan(pauseMs);
    }));
});
