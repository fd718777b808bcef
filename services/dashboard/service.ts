/** The dashboard: collects the events on the bus, and serves the pages that show them. */
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import type { Store } from '#shared/store/store.ts';
import { readAutomation } from '../placement/automation.ts';
import type { HttpSurface } from '../runtime/http.ts';
import { moveCheck } from '../runtime/move-check.ts';
import { registerDashboard } from './http.ts';
import { Record, SHOWN } from './record.ts';
import { createViewers } from './viewers.ts';

/** The running dashboard. */
export interface Dashboard {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Adds the routes of the pages. */
  registerHttp(surface: HttpSurface): void;
  /** Events of migrations that were refused since the start, because placement never ordered them so. */
  readonly refused: number;
}

/** The parts that the dashboard uses. */
export interface DashboardOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly config: Config;
  readonly log: Log;
  /** Explains why a VM is at its site. @throws TagalongError VM_UNKNOWN, HELD_ELSEWHERE */
  readonly explain: (vm: string) => Promise<Explained>;
}

/** The interval at which the service reads from the store whether automatic moves are paused. */
const LOOK_MS = 1_000;

/** Makes a dashboard. Each process receives all events from `start` on, and leaves no consumer group on the bus. */
export function createDashboard({ bus, store, clock, config, log: parent, explain }: DashboardOptions): Dashboard {
  const log = serviceLog(parent, 'dashboard');
  const nowMs = () => Math.round(clock.now());
  const record = new Record(config, nowMs());
  const check = moveCheck({ store, clock, log, partitions: config.bus.partitions });
  const viewers = createViewers({
    picture: () => record.picture(nowMs()),
    changes: () => record.changes(nowMs()),
  });
  let subscription: Subscription | undefined;
  let looking: NodeJS.Timeout | undefined;
  const trouble = repeatedFault(log, 'whether automatic moves are paused could not be read', 'warn');

  const look = async () => {
    // Without a viewer nobody reads the changes, so this discards them.
    if (viewers.size === 0) record.changes(nowMs());
    record.pause((await readAutomation(store)).paused);
  };

  return {
    get refused() {
      return check.refused;
    },
    async start() {
      subscription = await bus.subscribe({ group: 'dashboard', types: SHOWN, latest: true }, async (batch) => {
        for (const { event } of batch) {
          const admitted = check.admits(event);
          if (typeof admitted === 'boolean' ? admitted : await admitted) record.apply(event, nowMs());
        }
      });
      looking = setInterval(() => void look().then(trouble.succeeded, trouble.failed), LOOK_MS);
    },
    async stop() {
      clearInterval(looking);
      viewers.close();
      await subscription?.stop();
      subscription = undefined;
    },
    registerHttp(surface) {
      surface.health('dashboard', () => subscription !== undefined || 'not subscribed to the bus');
      registerDashboard(surface, { record, viewers, now: nowMs, config, explain });
    },
  };
}
