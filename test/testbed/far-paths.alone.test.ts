/** Paths have the delay and loss of their topology. */
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { farApart, twoSites } from '#deploy/testbed/moves.ts';
import { type Network, openNetwork } from '#deploy/testbed/network.ts';
import type { Topology } from '#deploy/testbed/topology.ts';
import type { Sent } from './datagrams.ts';
import { expectGone, processesOf } from './delay-lines.ts';
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
  },
  { delay: true },
);
