/**
 * A service whose state follows from what it hears on the bus and is kept in the store: it loads its core, feeds it
 * batches, meets its deadlines, and writes down what changed before anybody is told.
 */
import type { Bus, Delivery, Subscription } from '#shared/bus/bus.ts';
import { alarm } from '#shared/clock/alarm.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { EventType } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { type RecordedParts, recorded } from './recorded.ts';

export interface Stateful {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** From `start` to `stop`. */
  readonly running: boolean;
  /** True, or why nothing is done at the moment. */
  ready(): true | string;
  /** Changes the core, writes what changed, says and orders what follows. @throws what `change` throws */
  work<T>(change: () => T): Promise<T>;
  /** True while something is being worked on. */
  readonly busy: boolean;
  /** Resolves when nothing is. */
  idle(): Promise<void>;
}

export interface StatefulParts extends RecordedParts {
  /** Its consumer group on the bus. */
  readonly group: string;
  /** What it hears, beside the sites' heartbeats. */
  readonly types: readonly EventType[];
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** Feeds the core. */
  readonly apply: (batch: readonly Delivery[]) => void;
  /** When `advance` has something to do; undefined: only events can change anything. */
  readonly nextWakeMs: () => number | undefined;
  /** Lets the core's time pass. */
  readonly advance: () => void;
}

export function stateful(parts: StatefulParts): Stateful {
  const { group, types, bus, clock, log, apply, nextWakeMs, advance, commit } = parts;
  const subscriptions: Subscription[] = [];
  let running = false;
  let loaded = false;
  const load = async () => {
    await parts.load();
    loaded = true;
  };
  const state = recorded({ load, commit });
  const wake = alarm(clock, () => {
    // What is overdue stays so: the next change finds it.
    work(advance).catch((err) => log.error({ err }, 'a deadline could not be met'));
  });
  const work = async <T>(change: () => T): Promise<T> => {
    const result = await state.work(change);
    if (running) wake(nextWakeMs());
    return result;
  };
  const handle = (batch: readonly Delivery[]) => work(() => apply(batch));

  return {
    async start() {
      running = true;
      // The sites first: most of what follows can only be judged when they are known. Before the rest has been loaded a
      // heartbeat changes nothing that has to be written.
      const learn = async (batch: readonly Delivery[]) => (loaded ? handle(batch) : apply(batch));
      subscriptions.push(
        await bus.subscribe({ group: `${group}-sites`, types: ['site.reported.v1'], latest: true }, learn),
      );
      await work(() => {});
      subscriptions.push(await bus.subscribe({ group, types }, handle));
    },
    async stop() {
      running = false;
      wake(undefined);
      await Promise.all(subscriptions.splice(0).map((subscription) => subscription.stop()));
      await state.idle();
    },
    get running() {
      return running;
    },
    ready: () => (!running ? 'not running' : state.sound || 'its state could not be written'),
    work,
    get busy() {
      return state.busy;
    },
    idle: () => state.idle(),
  };
}
