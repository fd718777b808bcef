/** The interface between a partitioned service and the code of one service. */
import type { Delivery } from '#shared/bus/bus.ts';
import type { Event } from '#shared/events/index.ts';
import type { Change, Refusal } from './outbox.ts';

/** The partitions that the bus has assigned to this process. */
export interface Assignment {
  readonly partitions: readonly number[];
  /** True: the bus assigned them after the last load. Another process may have held them in between. */
  readonly isNew: boolean;
}

/** The records to write and the events to publish for a core's output. */
export interface Changes<Value> {
  /** Records, each with the events that follow from it. The events are published after the record is written. */
  readonly records: readonly Change<Value>[];
  /** Events without a record; published last. */
  readonly events?: readonly Event[];
}

/** The result of persisting a core's output. */
export interface Written<Output, Value> {
  readonly output: Output;
  readonly changes: Changes<Value>;
  /** Changes that bus or store rejects. They were neither written nor published. */
  readonly refusals: readonly Refusal[];
  /** True: this was the last attempt of the turn. False: the core's reaction to refusals is persisted next. */
  readonly isLast: boolean;
}

/**
 * The steps that differ from service to service. The loop calls them in this order; none of them calls the loop.
 */
export interface Steps<C, Output, Value> {
  /**
   * Reads the state of the assigned partitions from the store.
   * @returns a function that creates the new core from it and from the present core; called at once
   */
  load(assignment: Assignment): Promise<(present: C) => C>;
  /** Selects the deliveries of a batch to apply to the core. @default all */
  admit?(batch: readonly Delivery[], core: C): readonly Delivery[] | Promise<readonly Delivery[]>;
  /** Selects the broadcasts to apply to the core, once it is loaded. @default all */
  admitBroadcasts?(batch: readonly Delivery[], core: C): readonly Delivery[] | Promise<readonly Delivery[]>;
  /** Applies a broadcast to the core; until the first load, to the initial core. @default `core.apply` */
  onBroadcast?(event: Event, core: C, nowMs: number): void;
  /** Converts the core's output to records and events. */
  toChanges(output: Output, core: C): Changes<Value> | Promise<Changes<Value>>;
  /** Runs after the changes are written: executes commands, logs. */
  onWritten(written: Written<Output, Value>, core: C): void | Promise<void>;
}
