/** What a service adds to the loop of a partitioned service. */
import type { Delivery } from '#shared/bus/bus.ts';
import type { Event } from '#shared/events/index.ts';
import type { Change, Refusal } from './outbox.ts';

/** The partitions that the bus has assigned to this process. */
export interface Assignment {
  readonly partitions: readonly number[];
  /** True: the bus assigned them since the last load, perhaps the same ones again after another process had them. */
  readonly isNew: boolean;
}

/** What is to be written and published because of a core's output. */
export interface Changes<Value> {
  /** Records, each with the events that follow from it. The events are published after the record is written. */
  readonly records: readonly Change<Value>[];
  /** Events of which nothing is recorded; published last. */
  readonly events?: readonly Event[];
}

/** What became of a core's output. */
export interface Written<Output, Value> {
  readonly output: Output;
  readonly changes: Changes<Value>;
  /** Changes that neither bus nor store takes. Nothing of them was written or published. */
  readonly refusals: readonly Refusal[];
  /** True: this was the last attempt of the turn. False: if there are refusals, what the core makes of them is written next. */
  readonly isLast: boolean;
}

/**
 * The steps that differ from service to service. The loop calls them in this order; none of them calls the loop.
 */
export interface Steps<C, Output, Value> {
  /**
   * Reads the state of the assigned partitions from the store.
   * @returns a function that makes the core of what was read; it is given the core in use, and called at once
   */
  load(assignment: Assignment): Promise<(present: C) => C>;
  /** The deliveries of a batch that are applied to the core. @default all */
  admit?(batch: readonly Delivery[], core: C): readonly Delivery[] | Promise<readonly Delivery[]>;
  /** Applies a broadcast to the core; until the first load, to the initial core. @default `core.apply` */
  onBroadcast?(event: Event, core: C, nowMs: number): void;
  /** Translates what the core drained. */
  toChanges(output: Output, core: C): Changes<Value> | Promise<Changes<Value>>;
  /** Executes what follows once the changes are written: commands, log lines. */
  onWritten(written: Written<Output, Value>, core: C): void | Promise<void>;
}
