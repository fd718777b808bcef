/** Runs the tests of rule 9's doors on a server, in real time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { realClock } from '#shared/clock/real.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import { doorsOn } from './doors-on.ts';

const PASS_MS = 50;
const RUNS = 3;

/** @param start starts the server */
export function doorsOnServer(start: () => Promise<{ readonly url: string; stop(): Promise<void> }>): void {
  let server: Awaited<ReturnType<typeof start>>;
  let installations = 0;
  beforeAll(async () => {
    server = await start();
  }, 90_000);
  afterAll(() => server?.stop());

  doorsOn(async () => {
    const log = createLog('silent');
    const at = { url: server.url, prefix: `doors${++installations}` };
    return {
      settings: { bus: at, store: at },
      open: async (config) => ({
        bus: await openBus(config, log),
        store: await openStore(config, log),
        clock: realClock(),
        pass: () => sleep(PASS_MS),
      }),
    };
  }, RUNS);
}
