/**
 * A service whose state follows from what it hears on the bus and is kept in the store: it loads its core, feeds it
 * batches, meets its deadlines, and writes down what changed before anybody is told.
 *
 * It holds the partitions that the bus gives it and no others. When they change, the core is loaded anew, in the service's
 * own turn: what was in hand is finished first, and nothing of a partition is touched before its state is here.
 */
import type { Bus, Delivery, Subscription } from '#shared/bus/bus.ts';
import { alarm } from '#shared/clock/alarm.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { TagalongError } from '#shared/errors.ts';
import type { EventType } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import { recorded } from './recorded.ts';

export interface Stateful {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** From `start` to `stop`. */
  readonly running: boolean;
  /** True, or why nothing is done at the moment. */
  ready(): true | string;
  /** The partitions whose state is here. */
  readonly held: ReadonlySet<number>;
  /** Changes the core, writes what changed, says and orders what follows. @throws what `change` throws */
  work<T>(change: () => T): Promise<T>;
  /** True while something is being worked on. */
  readonly busy: boolean;
  /** Resolves when nothing is. */
  idle(): Promise<void>;
}

export interface StatefulParts {
  /** Its consumer group on the bus. */
  readonly group: string;
  /** What it hears of its own partitions, beside the sites' heartbeats. */
  readonly types: readonly EventType[];
  /** What it hears of all partitions, whoever holds them: from when it starts, and perhaps twice. */
  readonly overhears?: {
    readonly types: readonly EventType[];
    readonly apply: (batch: readonly Delivery[]) => void;
  };
  /** True: one process holds all partitions, and the others stand by. */
  readonly exclusive?: boolean;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Makes the core what the store says of these partitions, and of nothing else.
   * @param given true: the bus gave them since the last time, perhaps once more, after they had been another's
   */
  readonly load: (partitions: readonly number[], given: boolean) => Promise<void>;
  /** Writes what changed since the last time, then publishes and orders what follows. */
  readonly commit: () => Promise<void>;
  /** Feeds the core. */
  readonly apply: (batch: readonly Delivery[]) => void;
  /** When `advance` has something to do; undefined: only events can change anything. */
  readonly nextWakeMs: () => number | undefined;
  /** Lets the core's time pass. */
  readonly advance: () => void;
}

/** How long after a failure to load or to write it is tried again, where nobody delivers anything meanwhile. */
const RETRY_MS = 1000;

export function stateful(parts: StatefulParts): Stateful {
  const { group, types, exclusive = false, bus, clock, log, apply, nextWakeMs, advance, commit } = parts;
  const { overhears = { types: [], apply } } = parts;
  const subscriptions: Subscription[] = [];
  let running = false;
  let partitions: readonly number[] = [];
  let loaded = partitions;
  let held: ReadonlySet<number> | undefined;
  const load = async () => {
    const mine = partitions;
    await parts.load(mine, mine !== loaded);
    loaded = mine;
    held = new Set(mine);
  };
  const state = recorded({ load, commit });
  const trouble = repeatedFault(log, 'could not be done; it is tried again');
  const wake = alarm(clock, () => void attempt(advance));
  const work = async <T>(change: () => T): Promise<T> => {
    const result = await state.work(change);
    if (running) wake(nextWakeMs());
    return result;
  };
  /** For what nobody waits for and nobody delivers again. */
  const attempt = async (change: () => void) => {
    try {
      await work(change);
      trouble.succeeded();
    } catch (err) {
      const overtaken = err instanceof TagalongError && err.code === 'STORE_CONFLICT';
      if (overtaken) log.debug({ err }, 'overtaken by another process');
      else trouble.failed(err);
      if (running) wake(clock.now() + (overtaken ? 0 : RETRY_MS));
    }
  };
  const overhear = (batch: readonly Delivery[]) => work(() => overhears.apply(batch));
  /** A batch may have waited for its turn while its partition changed hands: it is the other's to handle then. */
  const handleHeld = (batch: readonly Delivery[]) =>
    work(() => {
      const { partition } = batch[0]!;
      if (!held?.has(partition)) {
        throw new TagalongError('HELD_ELSEWHERE', `${group}: another process holds partition ${partition} by now`);
      }
      apply(batch);
    });

  return {
    async start() {
      running = true;
      // The sites first: most of what follows can only be judged when they are known. Before the rest has been loaded a
      // heartbeat changes nothing that has to be written.
      const learn = async (batch: readonly Delivery[]) => (held ? overhear(batch) : overhears.apply(batch));
      const heard: readonly EventType[] = ['site.reported.v1', 'site.removed.v1', ...overhears.types];
      subscriptions.push(await bus.subscribe({ group: `${group}-sites`, types: heard, latest: true }, learn));
      const assigned = (mine: readonly number[]) => {
        logChange(log, partitions, mine);
        partitions = mine;
        state.invalidate();
        if (running) void attempt(() => {});
      };
      subscriptions.push(await bus.subscribe({ group, types, exclusive, assigned }, handleHeld));
      await work(() => {});
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
    ready: () => (running ? state.lastWriteOk : 'not running'),
    get held() {
      return held ?? new Set<number>();
    },
    work,
    get busy() {
      return state.busy;
    },
    idle: () => state.idle(),
  };
}

/** Says which partitions have come, and which have gone. */
function logChange(log: Log, before: readonly number[], now: readonly number[]): void {
  const gained = now.filter((partition) => !before.includes(partition));
  const lost = before.filter((partition) => !now.includes(partition));
  if (gained.length + lost.length > 0) log.info({ gained, lost, held: now.length }, 'partitions gained or lost');
}
