/** Paths have the delay and loss of their topology, and a VM moves over them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bedClient } from '#deploy/testbed/client.ts';
import { farApart, moveVm, startVm, twoSites, until } from '#deploy/testbed/moves.ts';
import { type Network, openNetwork } from '#deploy/testbed/network.ts';
import { sweepRuns } from '#deploy/testbed/runs.ts';
import type { Topology } from '#deploy/testbed/topology.ts';
import { openTestBed } from '#deploy/testbed/world.ts';
import type { Sent } from './datagrams.ts';
import { onTestBed } from './needs.ts';

const HERE = new URL('./', import.meta.url).pathname;
const RATE_BPS = 12.5e6;
/** The addresses of the second site by network. */
const BONN = { north: '10.101.2.2', south: '10.102.2.2', access: '10.200.2.2' };

/** The north has a delay of 5 ms at one end and 15 ms at the other, the south has loss, and the client has a delay. */
function uneven(): Topology {
  const { sites, clients } = farApart(twoSites(RATE_BPS), { clientRttMs: 20 });
  const change = (provider: string, i: number) =>
    provider === 'north' ? { delayMs: [5, 15][i]! } : { lossPercent: 5, delayMs: 0 };
  const changed = sites.map(({ uplinks, ...site }, i) => ({
    ...site,
    uplinks: uplinks.map((uplink) => ({ ...uplink, ...change(uplink.provider, i) })),
  }));
  return { sites: changed, clients };
}

/** The processes that delay packets; none if the kernel does it. */
async function processesOf(network: Network): Promise<number[]> {
  const out = await network.exec('delay', ['ip', 'netns', 'pids', network.namespace('delay')]);
  return out.split('\n').filter(Boolean).map(Number);
}
const namespaceExists = (name: string) => existsSync(`/run/netns/${name}`);

/** Asserts that the namespace and the processes of a run are gone; processes take a moment. */
async function expectGone(namespace: string, pids: readonly number[]): Promise<void> {
  expect(namespaceExists(namespace)).toBe(false);
  await until(() => pids.every((pid) => !existsSync(`/proc/${pid}/exe`)), 3000);
}

onTestBed(
  'paths with delay and loss',
  () => {
    describe('packets', () => {
      let network: Network;
      beforeAll(async () => {
        network = await openNetwork(uneven());
        const echo = network.spawn('bonn', [process.execPath, `${HERE}datagrams.ts`, 'echo'], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        await once(echo.stdout!, 'data');
      });
      afterAll(() => network?.close());

      const send = async (from: string, host: string, count: number, everyMs: number, bytes = 100) => {
        const words = ['send', host, count, everyMs, bytes].map(String);
        return JSON.parse(await network.exec(from, [process.execPath, `${HERE}datagrams.ts`, ...words])) as Sent;
      };
      const middle = ({ rttsMs }: Sent) => rttsMs[Math.floor(rttsMs.length / 2)]!;

      test.each([
        ['oslo', 'north', 40],
        ['oslo', 'south', 0],
        ['phone', 'access', 20],
      ] as const)(
        'from %s over %s have a round trip of %i ms, and none is lost on a path without loss',
        async (from, over, rttMs) => {
          // The first packets warm up the delay lines.
          await send(from, BONN[over], 200, 5);
          const sent = await send(from, BONN[over], 200, 5);
          expect(sent.rttsMs[0]).toBeGreaterThan(rttMs - 0.5);
          expect(middle(sent)).toBeLessThan(rttMs + 5);
          if (over !== 'south') expect(sent.answered).toBe(200);
        },
      );

      test('are lost at each of the four passages with the given probability', async () => {
        const count = 2000;
        const { answered } = await send('oslo', BONN.south, count, 1);
        const expected = 1 - 0.95 ** 4;
        const deviation = Math.sqrt((expected * (1 - expected)) / count);
        expect(Math.abs(1 - answered / count - expected)).toBeLessThan(5 * deviation);
      });

      test('do not pass a cut path, and pass it after the repair', async () => {
        await network.cut('bonn', 'north');
        expect((await send('oslo', BONN.north, 20, 5)).answered).toBe(0);
        await network.mend('bonn', 'north');
        expect((await send('oslo', BONN.north, 20, 5)).answered).toBe(20);
      });

      test('wait at a lowered rate', async () => {
        const bytes = 1250;
        const burst = () => send('oslo', BONN.north, 200, 0, bytes);
        expect((await burst()).lastedMs).toBeLessThan(500);
        await network.setRate('oslo', 'north', 200 * bytes);
        // A quarter of the burst may pass at once.
        expect((await burst()).lastedMs).toBeGreaterThan(600);
        await network.setRate('oslo', 'north', RATE_BPS);
      });

      test('leave no process and no namespace after the run', async () => {
        const pids = await processesOf(network);
        await network.close();
        await expectGone(network.namespace('delay'), pids);
      });
    });

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
