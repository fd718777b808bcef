/** The probe against a real service, over real sockets. The tests compare its times with times that the service measured. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registerIngest } from '#services/ingest/http.ts';
import { createIngest } from '#services/ingest/service.ts';
import { type Gap, type ProbeOptions, type ProbeReport, probe } from '#services/probe/probe.ts';
import { createHttp } from '#services/runtime/http.ts';
import { knownSites } from '#services/sites/known.ts';
import { memoryBus } from '#shared/bus/memory.ts';
import { realClock } from '#shared/clock/real.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import type { Event } from '#shared/events/index.ts';
import { createLog } from '#shared/log.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { begin, tagalong } from '../e2e/cli.ts';
import { SPEC } from '../unit/shared/policy/world.ts';
import { type Echo, echoServer } from './echo.ts';
import { mptcpEcho } from './mptcp-echo.ts';
import { skipWithout } from './programs.ts';

let echo: Echo;
beforeEach(async () => {
  echo = await echoServer();
});
afterEach(() => echo.close());

/** Runs the probe during `happens`. @returns its report, and the gaps that it published */
async function probed(happens: () => Promise<unknown>, options: Partial<ProbeOptions> = {}) {
  const running = probe({ host: '127.0.0.1', port: echo.port, ...options });
  const gaps: Gap[] = [];
  running.onGap((gap) => gaps.push(gap));
  await new Promise<unknown>((connected) => running.onConnected(connected));
  await happens();
  running.stop();
  return { report: await running.done, gaps };
}
const faults = ({ lostBytes, reorderedBytes, corruptedBytes, resets }: ProbeReport) => ({
  ...{ lostBytes, reorderedBytes, corruptedBytes },
  resets,
});
const NO_FAULTS = { lostBytes: 0, reorderedBytes: 0, corruptedBytes: 0, resets: 0 };
/** A machine that runs tests may stall for this time. */
const SLACK_MS = 30;

describe('the probe', () => {
  test('reports no fault on a sound connection, and every byte that it sent', async () => {
    const { report } = await probed(() => sleep(300), { gapMs: 200 });
    expect(report).toMatchObject({ transport: 'tcp', subflows: 1, connections: 1, ended: 'stopped', gapCount: 0 });
    expect(faults(report)).toEqual(NO_FAULTS);
    expect(report.sentBytes).toBeGreaterThan(32 * 10);
    expect(report.intactBytes).toBe(report.sentBytes);
  });

  test.each([0, 4_000_000])(
    'measures the length of a pause of the service, under a load of %d bytes a second',
    async (loadBps) => {
      let pausedMs = 0;
      const { report, gaps } = await probed(
        async () => {
          await sleep(100);
          const begunMs = performance.now();
          await echo.pause(300);
          pausedMs = performance.now() - begunMs;
          await sleep(100);
        },
        { loadBps, gapMs: 150 },
      );
      expect(gaps.length).toBe(1);
      const [gap] = gaps as [Gap];
      expect(gap.gapMs).toBeLessThanOrEqual(pausedMs + SLACK_MS);
      expect(gap.gapMs).toBeGreaterThan(300 - report.ownDelayMs - SLACK_MS);
      expect(Math.abs(gap.atMs - Date.now())).toBeLessThan(10_000);
      expect(report).toMatchObject({ longestGapMs: gap.gapMs, gapCount: 1, gaps: [gap] });
      expect(faults(report)).toEqual(NO_FAULTS);
      if (loadBps > 0) expect(report.intactBytes).toBeGreaterThan(200_000);
    },
  );

  test('does not count its own delay as a gap of the service', async () => {
    const { report } = await probed(async () => {
      await sleep(100);
      for (const untilMs = performance.now() + 300; performance.now() < untilMs; );
      await sleep(100);
    });
    expect(report.ownDelayMs).toBeGreaterThan(250);
    expect(report.longestGapMs).toBeLessThan(150);
  });

  test.each(['reset', 'close'] as const)('ends with its connection, on %s, and reports the lost bytes', async (how) => {
    const running = probe({ host: '127.0.0.1', port: echo.port });
    const gaps: Gap[] = [];
    running.onGap((gap) => gaps.push(gap));
    await new Promise<unknown>((connected) => running.onConnected(connected));
    echo.damage(() => Buffer.alloc(0));
    await sleep(100);
    echo.cut(how);
    const report = await running.done;
    expect(report).toMatchObject({ ended: 'lost', resets: 1, connections: 1 });
    expect(report.lostBytes).toBeGreaterThan(0);
    expect(gaps.at(-1)).toMatchObject({ resets: 1, lostBytes: report.lostBytes });
    expect(echo.connections, 'no silent second connection').toBe(1);
  });

  test('with reconnect, connects again after a loss, and counts it', async () => {
    const { report, gaps } = await probed(
      async () => {
        echo.cut('reset');
        await sleep(500);
      },
      { reconnect: true },
    );
    expect(report).toMatchObject({ ended: 'stopped', resets: 1, connections: 2 });
    expect(
      gaps.find(({ resets }) => resets === 1),
      'the gap lasts until the next echo',
    ).toBeDefined();
  });

  test('counts bytes that are dropped, changed or reordered', async () => {
    const once = (change: (chunk: Buffer) => Buffer) => {
      echo.damage((chunk) => {
        echo.damage(undefined);
        return change(chunk);
      });
      return sleep(100);
    };
    const { report } = await probed(async () => {
      await once((chunk) => chunk.subarray(10));
      await once((chunk) => Buffer.from(chunk.map((byte, i) => (i === 3 || i === 30 ? byte ^ 1 : byte))));
      let first: Buffer | undefined;
      echo.damage((chunk) => {
        // Sends the first 32 bytes after the following ones.
        if (first === undefined) {
          first = Buffer.from(chunk.subarray(0, 32));
          return chunk.subarray(32);
        }
        echo.damage(undefined);
        return Buffer.concat([chunk, first]);
      });
      await sleep(100);
    });
    expect(faults(report)).toEqual({ lostBytes: 10, corruptedBytes: 2, reorderedBytes: 32, resets: 0 });
  });

  test('reports that no service answers', async () => {
    const { port } = echo;
    await echo.close();
    const refused = expect.objectContaining({ code: 'SERVER_UNREACHABLE' });
    await expect(probe({ host: '127.0.0.1', port }).done).rejects.toEqual(refused);
    echo = await echoServer();
  });
});

/** Starts ingest with a VM `v1`, for `--report`. */
async function ingestOnTheRealClock() {
  const [bus, clock, log] = [memoryBus(), realClock(), createLog('silent')];
  const ingest = createIngest({
    bus,
    store: memoryStore(),
    clock,
    config: DEFAULT_CONFIG.ingest,
    sites: knownSites(memoryStore(), [{ site: 'east' }]),
    log,
  });
  const http = await createHttp({ config: { ...DEFAULT_CONFIG.http, port: 0 }, log });
  registerIngest(http, { ingest, clock, config: DEFAULT_CONFIG });
  const seen: Event[] = [];
  await bus.subscribe({ group: 'test', types: ['interruption.reported.v1'] }, async (batch) => {
    seen.push(...batch.map(({ event }) => event));
  });
  await ingest.start();
  await ingest.declareVm('v1', 'east', SPEC);
  await ingest.attach('v1', 'ann', 1);
  const { url } = await http.listen();
  const published = async () => {
    await bus.idle();
    return seen;
  };
  const close = async () => {
    await http.close();
    await ingest.stop();
    await bus.close();
  };
  return { url, published, close };
}

describe('tagalong probe', () => {
  const lines = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  test('prints each event at once, reports the gaps, and prints its figures on SIGINT', async () => {
    const { url, published, close } = await ingestOnTheRealClock();
    const to = ['--to', `127.0.0.1:${echo.port}`, '--json', '-', '--gap-ms', '150'];
    const running = begin(['probe', ...to, '--report', url, '--vm', 'v1', '--user', 'ann']);
    await running.printed(/"connected"/);
    await echo.pause(300);
    await running.printed(/"gap"/);
    const { code, stdout } = await running.stop('SIGINT');
    expect(code).toBe(0);
    const [connected, gap, report] = lines(stdout);
    expect(connected).toMatchObject({ event: 'connected', transport: 'tcp' });
    expect(report).toMatchObject({ event: 'report', ended: 'stopped', lostBytes: 0, gaps: [{ gapMs: gap.gapMs }] });
    const { event: _, ...seen } = gap;
    expect((await published()).map((event) => event.data)).toEqual([{ vm: 'v1', user: 'ann', ...seen }]);
    await close();
  });

  test('prints its report and fails if the connection is lost', async () => {
    const running = begin(['probe', '--to', `127.0.0.1:${echo.port}`]);
    await running.printed(/^Connected to /);
    echo.cut('reset');
    const { code, stdout, stderr } = await running.ended;
    expect(code).toBe(1);
    expect(stdout).toMatch(/^connections +1, of which 1 lost$/m);
    expect(stderr).toMatch(/^tagalong: CONNECTION_BROKEN: .*1 connection lost/m);
  });

  test('ends after --duration-s, and prints a table', async () => {
    const to = ['--to', `127.0.0.1:${echo.port}`, '--duration-s', '0.3'];
    const { code, stdout, stderr } = await tagalong(['probe', ...to]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^Connected to .* over plain TCP/);
    expect(stdout).toMatch(/^transport +tcp, 1 subflow$/m);
    expect(stdout).toMatch(/^lost +0 B$/m);
  });

  test.each([
    [['--to', 'nowhere'], 2],
    [['--to', '127.0.0.1:7', '--interval-ms', '0'], 2],
    [['--to', '127.0.0.1:7', '--mptcp', '--tcp'], 2],
    [['--to', '127.0.0.1:7', '--report', 'http://127.0.0.1:1'], 2],
    [['--to', '127.0.0.1:1'], 1],
  ])('%j is refused with one line', async (args, status) => {
    const { code, stderr } = await tagalong(['probe', ...args]);
    expect(code).toBe(status);
    expect(stderr).toMatch(/^tagalong: [A-Z_]+: .+\n$/);
  });

  test('names the command that installs mptcpize if it is missing', async () => {
    const { code, stderr } = await tagalong(['probe', '--to', '127.0.0.1:7', '--mptcp'], { PATH: '/nowhere' });
    expect(code).toBe(2);
    expect(stderr).toMatch(/apt-get install mptcpize/);
  });
});

const why = skipWithout('mptcpize', 'ss');
describe.skipIf(why)(`tagalong probe --mptcp ${why ?? ''}`, () => {
  const probeOver = (port: number) =>
    tagalong(['probe', '--to', `127.0.0.1:${port}`, '--mptcp', '--json', '-', '--duration-s', '0.3']);

  test('uses MPTCP with a service that speaks it, and reports it', async () => {
    const { code, stdout } = await probeOver(await mptcpEcho());
    expect(code).toBe(0);
    const report = JSON.parse(stdout.trim().split('\n').at(-1)!);
    expect(report).toMatchObject({ transport: 'mptcp', subflows: 1, ended: 'stopped', lostBytes: 0 });
  });

  test('reports a fallback to plain TCP', async () => {
    const { stdout, stderr } = await probeOver(echo.port);
    expect(stdout).toContain('"transport":"tcp"');
    expect(stderr).toContain('fell back to plain TCP');
  });

  test('prints its report on SIGTERM, although mptcpize started it', async () => {
    const running = begin(['probe', '--to', `127.0.0.1:${await mptcpEcho()}`, '--mptcp', '--json', '-']);
    await running.printed(/"connected"/);
    const { code, stdout } = await running.stop();
    expect(code).toBe(0);
    expect(stdout).toContain('"event":"report"');
  });
});
