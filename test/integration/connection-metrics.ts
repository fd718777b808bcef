/** Checks how each process reports that it loses and regains its connections to bus and store. */
import { afterEach, expect, test, vi } from 'vitest';
import { PROCESSES } from '#services/process/modules.ts';
import { createSingle, type Single } from '#services/process/single.ts';
import { simulatedMachines } from '#services/sites/hosts/simulated.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import { PATIENTLY } from '../patience.ts';

/** A process notices a loss within this time: it checks every two seconds, and a check may take three. */
const SOON = { timeout: 10_000, interval: 200 };
const MIGRATOR = PROCESSES.indexOf('migrator');
/** The most lines of one kind that a process may log while the server is down for some seconds. */
const MOST_LINES = 3;

/** A server that can be killed, and started again with its data. */
export interface Breakable {
  readonly url: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** @param expected `grown`: counters that grow while the server is down; `others`: metrics that exist */
export function connectionMetrics(
  start: () => Promise<Breakable>,
  expected: { readonly grown: readonly string[]; readonly others: readonly string[] },
): void {
  const { grown, others } = expected;
  let server: Breakable | undefined;
  const running: Single[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((service) => service.stop()));
    await server?.stop();
  });

  test('every process reports the loss and the return of bus and store at /readyz, at /metrics and in its log', async () => {
    server = await start();
    const { url } = server;
    const settings = { bus: { url, partitions: 2 }, store: { url }, http: { port: 0 } };
    const config = parseConfig(JSON.stringify(settings), 'test');
    const clock = realClock();
    const logs: Line[][] = [];
    const urls: string[] = [];
    for (const name of PROCESSES) {
      const lines: Line[] = [];
      logs.push(lines);
      const log = createLog('info', { write: (line) => void lines.push(JSON.parse(line) as Line) });
      const [bus, store] = [await openBus(config, log), await openStore(config, log)];
      const machines = async () => simulatedMachines(config, clock);
      const single = await createSingle(name, { config, clock, bus, store, log, machines });
      running.push(single);
      urls.push((await single.listen()).url);
    }
    // Ingest is ready only when the others have started.
    await Promise.all(running.map((single) => single.start()));
    const valuesOf = async (metric: string) =>
      Promise.all(
        urls.map(async (at) => {
          const text = await metricsAt(at);
          expect(text).toMatch(new RegExp(`^# HELP ${metric} \\S.*\\n# TYPE ${metric} (counter|gauge)$`, 'm'));
          return Number(new RegExp(`^${metric} (\\d+)$`, 'm').exec(text)?.[1]);
        }),
      );
    for (const metric of grown) expect(await valuesOf(metric), metric).toEqual(PROCESSES.map(() => 0));
    const answers = () => Promise.all(urls.map(async (at) => readinessOf(await fetch(`${at}/readyz`))));
    const connections = ['tagalong_bus_connected', 'tagalong_store_connected'];
    const onDuty = async () => /^tagalong_migrator_on_duty (\d)$/m.exec(await metricsAt(urls[MIGRATOR]!))?.[1];
    await vi.waitFor(
      async () => expect((await answers()).map(({ status }) => status)).toEqual(PROCESSES.map(() => 200)),
      PATIENTLY,
    );
    expect(await onDuty()).toBe('1');

    await server.kill();
    await vi.waitFor(async () => {
      for (const { status, text } of await answers()) {
        expect(status).toBe(503);
        expect(text).toMatch(/the bus has been unreachable for .*the store has been unreachable for /);
        // /readyz needs no token, so that it must not show addresses.
        expect(text).not.toContain('127.0.0.1');
      }
    }, SOON);
    for (const metric of connections) expect(await valuesOf(metric), metric).toEqual(PROCESSES.map(() => 0));
    expect(await onDuty()).toBe('0');
    await server.restart();
    await vi.waitFor(async () => {
      expect((await answers()).map(({ status }) => status)).toEqual(PROCESSES.map(() => 200));
      for (const metric of connections) expect(await valuesOf(metric), metric).toEqual(PROCESSES.map(() => 1));
      expect(await onDuty()).toBe('1');
    }, PATIENTLY);
    for (const lines of logs) {
      for (const what of ['bus', 'store']) {
        const [lost, ...others] = lines.filter(({ msg }) => msg === `connection to the ${what} lost`);
        expect(lost).toMatchObject({ server: expect.stringContaining('127.0.0.1'), why: expect.any(String) });
        expect(others).toEqual([]);
        const regained = lines.filter(({ msg }) => msg === `connection to the ${what} regained`);
        expect(regained).toEqual([expect.objectContaining({ lostMs: expect.any(Number) })]);
      }
      const faults = Map.groupBy(
        lines.filter(({ level }) => level === 'error' || level === 'warn'),
        ({ msg }) => msg,
      );
      for (const [msg, repeats] of faults) expect(repeats.length, msg).toBeLessThanOrEqual(MOST_LINES);
    }
    for (const metric of grown) {
      await vi.waitFor(async () => expect(Math.min(...(await valuesOf(metric))), metric).toBeGreaterThan(0), PATIENTLY);
    }
    for (const metric of others) expect((await valuesOf(metric)).every(Number.isFinite), metric).toBe(true);
  }, 150_000);
}

interface Line {
  readonly level: string;
  readonly msg: string;
}

const metricsAt = async (url: string) => (await fetch(`${url}/metrics`)).text();

async function readinessOf(response: Response): Promise<{ readonly status: number; readonly text: string }> {
  return { status: response.status, text: await response.text() };
}
