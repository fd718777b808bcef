/** A VM moves over paths with delay and loss. Runs that fail or crash leave no delay lines. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { bedClient } from '#deploy/testbed/client.ts';
import { farApart, moveVm, startVm, twoSites } from '#deploy/testbed/moves.ts';
import { openNetwork } from '#deploy/testbed/network.ts';
import { sweepRuns } from '#deploy/testbed/runs.ts';
import { openTestBed } from '#deploy/testbed/world.ts';
import { expectGone, namespaceExists } from './delay-lines.ts';
import { onTestBed } from './needs.ts';

const RATE_BPS = 12.5e6;

onTestBed(
  'sites far apart',
  () => {
    test('an impossible cable fails with its reason, and leaves nothing of the run', async () => {
      // The schema would refuse this value.
      const impossible = farApart(twoSites(RATE_BPS), { lossPercent: 101 });
      await expect(openNetwork(impossible)).rejects.toThrow(/tc: .*loss/);
      const owners = (await readdir('/run/tagalong')).map((id) =>
        readFile(`/run/tagalong/${id}/owner`, 'utf8').catch(() => ''),
      );
      const own = (await Promise.all(owners)).filter((owner) => owner.startsWith(`${process.pid} `));
      expect(own).toEqual([]);
    });

    test('a sweep removes the processes and namespaces of a crashed run', async () => {
      const script = `
        const { openNetwork } = await import('#deploy/testbed/network.ts');
        const { farApart, twoSites } = await import('#deploy/testbed/moves.ts');
        const network = await openNetwork(farApart(twoSites(${RATE_BPS}), { rttMs: 20 }));
        const pids = await network.exec('delay', ['ip', 'netns', 'pids', network.namespace('delay')]);
        process.stdout.write(JSON.stringify([network.run.id, network.namespace('delay'), pids]));`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
      const [id, namespace, pids] = JSON.parse(line) as [string, string, string];
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
      expect(namespaceExists(namespace)).toBe(true);
      expect(await sweepRuns()).toContain(id);
      await expectGone(namespace, pids.split('\n').filter(Boolean).map(Number));
    });

    test('a VM moves, and its connected client loses nothing', async () => {
      const apart = { rttMs: 20, lossPercent: 0.02, clientRttMs: 10 };
      const bed = await openTestBed(farApart(twoSites(25e6), apart));
      try {
        const host = await startVm(bed, 'vm1', 'oslo');
        const client = bedClient(bed.network, { at: 'phone', host, mptcp: true, loadBps: 100_000 });
        expect(await client.connected).toMatchObject({ transport: 'mptcp' });
        const resent = async () => {
          const [names, values] = (await bed.network.exec('oslo', ['cat', '/proc/net/snmp']))
            .split('\n')
            .filter((line) => line.startsWith('Tcp:'))
            .map((line) => line.split(' '));
          return Number(values![names!.indexOf('RetransSegs')]);
        };
        const before = await resent();
        const { degraded, subflows } = await moveVm(bed, 'vm1', 'oslo', 'bonn');
        expect(degraded).toEqual([]);
        expect(subflows).toBe(2);
        expect(await resent()).toBeGreaterThan(before);
        await sleep(1500);
        const report = await client.stop();
        expect(report).toMatchObject({ ended: 'stopped', connections: 1, resets: 0 });
        expect(report).toMatchObject({ lostBytes: 0, reorderedBytes: 0, corruptedBytes: 0 });
        expect(report.intactBytes).toBe(report.sentBytes);
      } finally {
        await bed.close();
      }
    });
  },
  { delay: true },
);
