/** A placement in a process of its own, for the benchmarks. It reports its progress to its parent until the parent stops it or exits. */
import { createPlacement } from '#services/placement/service.ts';
import { realClock } from '#shared/clock/real.ts';
import type { Config } from '#shared/config/schema.ts';
import { createLog } from '#shared/log.ts';
import { openBus, openStore } from '#shared/open.ts';
import type { Sample } from './placements.ts';

const SAMPLE_MS = 10;

const config = JSON.parse(process.argv[2]!) as Config;
const log = createLog('error');
const [bus, store] = [await openBus(config, log), await openStore(config, log)];
const placement = createPlacement({ bus, store, clock: realClock(), config, log });

let handled = 0;
const tell = () => {
  const now = [...placement.counts.values()].reduce((sum, n) => sum + n, 0);
  if (now === handled) return;
  handled = now;
  const { user, system } = process.cpuUsage();
  const sample: Sample = {
    handled,
    quiet: placement.counts.get('quiet') ?? 0,
    stale: placement.counts.get('stale') ?? 0,
    atMs: performance.timeOrigin + performance.now(),
    cpuUs: user + system,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  };
  process.send!(sample);
};
const telling = setInterval(tell, SAMPLE_MS);
let stopping = false;
const start = () =>
  placement.start().catch((error) => {
    // A process that is stopped during its join is no member of the group.
    if (!stopping) throw error;
  });
const stop = async () => {
  stopping = true;
  clearInterval(telling);
  await placement.stop();
  await bus.close();
  await store.close();
  process.exit(0);
};
process.on('message', (order) => void (order === 'begin' ? start() : stop()));
process.once('disconnect', stop);
process.send!('connected');
