/**
 * A service that hosts a core. The bus assigns partitions to it. The service loads their state from the store, applies their
 * events to the core, wakes the core at its deadlines, and persists each change before it publishes the events.
 *
 * Turns run one at a time: batches, timers and requests wait for each other. A turn is load (if the state is stale) → apply →
 * drain → outbox → wake. If a write fails, the state becomes stale: the service loads it again before the next turn. A change of
 * partitions makes the state stale too, so the service applies no event of a partition before it has loaded that partition.
 */
import type { Bus, Delivery, Subscription } from '#shared/bus/bus.ts';
import { alarm } from '#shared/clock/alarm.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Core } from '#shared/core.ts';
import { TagalongError } from '#shared/errors.ts';
import type { EventType } from '#shared/events/index.ts';
import type { Log } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import type { Outbox } from './outbox.ts';
import type { Steps } from './steps.ts';

/** The parts of a partitioned service. */
export interface PartitionedServiceOptions<C extends Core<Output>, Output, Value> {
  /** Consumer group of the assigned partitions; `<group>-sites` is that of the broadcasts. */
  readonly group: string;
  /** Event types received from the assigned partitions. */
  readonly types: readonly EventType[];
  /**
   * Event types received from all partitions, not only the assigned ones, beside the sites' heartbeats. Delivery starts at
   * subscription time and is at-least-once.
   */
  readonly broadcastTypes?: readonly EventType[];
  /** True: one process holds all partitions, and the others stand by. @default false */
  readonly exclusive?: boolean;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly outbox: Outbox<Value>;
  /** The core in use until the first load. */
  readonly core: C;
  readonly steps: Steps<C, Output, Value>;
}

/** The pause before a failed load or write is tried again, in case no delivery triggers a turn earlier. */
const RETRY_MS = 1000;
const NO_PARTITIONS: ReadonlySet<number> = new Set();

/** Runs a core as a member of a consumer group. */
export class PartitionedService<C extends Core<Output>, Output, Value> {
  readonly #options: PartitionedServiceOptions<C, Output, Value>;
  readonly #subscriptions: Subscription[] = [];
  readonly #wake: (atMs: number | undefined) => void;
  readonly #trouble;
  #core: C;
  #running = false;
  #assigned: readonly number[] = [];
  #loadedFor = this.#assigned;
  #held: ReadonlySet<number> | undefined;
  #lastTurn: Promise<unknown> = Promise.resolve();
  #turns = 0;
  /** The generation of the state that is required; `#loaded` is that of the loaded one. A load or a write may be overtaken. */
  #wanted = 1;
  #loaded = 0;
  #fault = 'its state is not loaded yet';

  constructor(options: PartitionedServiceOptions<C, Output, Value>) {
    this.#options = options;
    this.#core = options.core;
    this.#trouble = repeatedFault(options.log, 'could not be done; it is tried again');
    this.#wake = alarm(options.clock, () => void this.attempt((core) => core.advance(this.nowMs())));
  }

  /** The present core; each load replaces it. */
  get core(): C {
    return this.#core;
  }

  /** True from `start` to `stop`. */
  get running(): boolean {
    return this.#running;
  }

  /** The partitions whose state is loaded. */
  get held(): ReadonlySet<number> {
    return this.#held ?? NO_PARTITIONS;
  }

  /** True while a turn is under way or waits. */
  get busy(): boolean {
    return this.#turns > 0;
  }

  /** The time of the clock, in whole milliseconds as in events. */
  nowMs(): number {
    return Math.round(this.#options.clock.now());
  }

  /** True, or the reason why the core differs from the store: loading failed, or the last write failed. */
  ready(): true | string {
    if (!this.#running) return 'not running';
    return this.#loaded === this.#wanted || this.busy || this.#fault;
  }

  /**
   * Subscribes, and loads the state. Resolves after the first load.
   * @throws TagalongError of the bus or of the store
   */
  async start(): Promise<void> {
    const { bus, group, types, broadcastTypes = [], exclusive = false } = this.#options;
    this.#running = true;
    // The sites first: most other events need them for their evaluation.
    const broadcasts: readonly EventType[] = ['site.reported.v1', 'site.removed.v1', ...broadcastTypes];
    const onBroadcasts = (batch: readonly Delivery[]) => this.#onBroadcasts(batch);
    this.#subscriptions.push(
      await bus.subscribe({ group: `${group}-sites`, types: broadcasts, latest: true }, onBroadcasts),
    );
    const assigned = (partitions: readonly number[]) => this.#onAssigned(partitions);
    const onBatch = (batch: readonly Delivery[]) => this.#onBatch(batch);
    this.#subscriptions.push(await bus.subscribe({ group, types, exclusive, assigned }, onBatch));
    await this.work(() => {});
  }

  /** Leaves the consumer groups, and finishes the turn in progress. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#wake(undefined);
    await Promise.all(this.#subscriptions.splice(0).map((subscription) => subscription.stop()));
    await this.idle();
  }

  /** Resolves when no turn is in progress. */
  async idle(): Promise<void> {
    while (this.busy) await this.#lastTurn;
  }

  /**
   * Runs a turn: applies `change` to the core, persists the result, publishes its events and executes its commands.
   * @throws the error of `change` (if that throws a TagalongError, it must have changed nothing), and TagalongError of bus and store
   */
  work<T>(change: (core: C) => T | Promise<T>): Promise<T> {
    this.#turns++;
    const turn = this.#lastTurn
      .then(() => this.#turn(change))
      .finally(() => {
        this.#turns--;
      });
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }

  /**
   * Runs a turn without a caller that could repeat it. Logs a failure, and lets the core handle its deadlines again later.
   * @returns true: the turn succeeded
   */
  async attempt(change: (core: C) => void | Promise<void>): Promise<boolean> {
    const { log, clock } = this.#options;
    try {
      await this.work(change);
      this.#trouble.succeeded();
      return true;
    } catch (err) {
      const overtaken = err instanceof TagalongError && err.code === 'STORE_CONFLICT';
      if (overtaken) log.debug({ err }, 'overtaken by another process');
      else this.#trouble.failed(err);
      if (this.#running) this.#wake(clock.now() + (overtaken ? 0 : RETRY_MS));
      return false;
    }
  }

  /** Marks the state as stale, so that the next turn begins with a load. */
  #invalidate(): void {
    this.#wanted++;
  }

  async #turn<T>(change: (core: C) => T | Promise<T>): Promise<T> {
    while (this.#loaded !== this.#wanted) await this.#load();
    let result: T;
    try {
      result = await change(this.#core);
    } catch (error) {
      if (!(error instanceof TagalongError)) this.#invalidate();
      throw error;
    }
    try {
      await this.#during('written', () => this.#write());
    } catch (error) {
      // Until the write succeeds, the core may differ from the store.
      this.#invalidate();
      throw error;
    }
    if (this.#running) this.#wake(this.#core.nextWakeMs());
    return result;
  }

  async #load(): Promise<void> {
    const wanted = this.#wanted;
    const partitions = this.#assigned;
    await this.#during('loaded', async () => {
      const assignment = { partitions, isNew: partitions !== this.#loadedFor };
      const build = await this.#options.steps.load(assignment);
      this.#core = build(this.#core);
      this.#loadedFor = partitions;
      this.#held = new Set(partitions);
    });
    // A load may produce changes as well.
    await this.#during('written', () => this.#write());
    this.#loaded = wanted;
  }

  /** Persists the core's output. After refusals, persists the output of the core's reaction as well. */
  async #write(): Promise<void> {
    const { steps, outbox, bus } = this.#options;
    for (const isLast of [false, true]) {
      const core = this.#core;
      const output = core.drain();
      const changes = await steps.toChanges(output, core);
      const { records, events = [] } = changes;
      const refusals = await outbox.commit(records);
      if (events.length > 0) await bus.publish(events);
      await steps.onWritten({ output, changes, refusals, isLast }, core);
      if (refusals.length === 0) return;
    }
  }

  async #during(doing: 'loaded' | 'written', step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#fault = `its state could not be ${doing} (${error instanceof TagalongError ? error.code : 'INTERNAL'})`;
      throw error;
    }
  }

  /** Handles a batch, unless its partition was assigned to another process while the batch waited: then that process receives it. */
  #onBatch(batch: readonly Delivery[]): Promise<void> {
    const { steps, group } = this.#options;
    return this.work(async (core) => {
      const { partition } = batch[0]!;
      if (!this.held.has(partition)) {
        throw new TagalongError(
          'HELD_ELSEWHERE',
          `${group}: another process now holds partition ${partition}; send the request to that process`,
        );
      }
      const admitted = steps.admit ? await steps.admit(batch, core) : batch;
      const nowMs = this.nowMs();
      for (const { event } of admitted) core.apply(event, nowMs);
    });
  }

  /** Handles broadcasts. Before the first load they cause no write. */
  async #onBroadcasts(batch: readonly Delivery[]): Promise<void> {
    const { steps } = this.#options;
    const apply = (admitted: readonly Delivery[], core: C) => {
      const nowMs = this.nowMs();
      for (const { event } of admitted) {
        if (steps.onBroadcast) steps.onBroadcast(event, core, nowMs);
        else core.apply(event, nowMs);
      }
    };
    if (!this.#held) return apply(batch, this.#core);
    await this.work(async (core) => {
      apply(steps.admitBroadcasts ? await steps.admitBroadcasts(batch, core) : batch, core);
    });
  }

  #onAssigned(partitions: readonly number[]): void {
    const before = this.#assigned;
    const gained = partitions.filter((partition) => !before.includes(partition));
    const lost = before.filter((partition) => !partitions.includes(partition));
    if (gained.length + lost.length > 0) {
      this.#options.log.info({ gained, lost, held: partitions.length }, 'partitions gained or lost');
    }
    this.#assigned = partitions;
    this.#invalidate();
    if (this.#running) void this.attempt(() => {});
  }
}
