/** What each process says of its connection to the bus, whatever the server is that breaks it. */
import { afterEach, expect, test, vi } from 'vitest';
import { simulatedMachines } from '#services/agent/simulated.ts';
import { createSingle, SERVICES, type Single } from '#services/single.ts';
import { realClock } from '#shared/clock/real.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';

const PATIENTLY = { timeout: 60_000, interval: 200 };

/** A server that can be ended and started again, with what it kept. */
export interface Breakable {
  readonly url: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** @param expected metrics that have grown when the server was away, and others that have to be there */
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

  test('every process tells at /metrics how its connection to the bus has fared', async () => {
    server = await start();
    const { url } = server;
    const settings = { bus: { url, partitions: 2 }, store: { url }, http: { port: 0 } };
    const config = parseConfig(JSON.stringify(settings), 'test');
    const [clock, log] = [realClock(), createLog('silent')];
    const urls: string[] = [];
    for (const name of SERVICES) {
      const [bus, store] = [await openBus(config, log), await openStore(config, log)];
      const machines = async () => simulatedMachines(config, clock);
      const single = await createSingle(name, { config, clock, bus, store, log, machines });
      running.push(single);
      urls.push((await single.listen()).url);
    }
    // Ingest waits for the others.
    await Promise.all(running.map((single) => single.start()));
    const told = async (metric: string) =>
      Promise.all(
        urls.map(async (at) => {
          const text = await (await fetch(`${at}/metrics`)).text();
          expect(text).toMatch(new RegExp(`^# HELP ${metric} \\S.*\\n# TYPE ${metric} counter$`, 'm'));
          return Number(new RegExp(`^${metric} (\\d+)$`, 'm').exec(text)?.[1]);
        }),
      );
    for (const metric of grown) expect(await told(metric), metric).toEqual(SERVICES.map(() => 0));
    await server.kill();
    await server.restart();
    for (const metric of grown) {
      await vi.waitFor(async () => expect(Math.min(...(await told(metric))), metric).toBeGreaterThan(0), PATIENTLY);
    }
    for (const metric of others) expect((await told(metric)).every(Number.isFinite), metric).toBe(true);
  }, 150_000);
}
