/**
 * The bus port. Small enough to be kept honestly by memory, NATS JetStream and Kafka alike.
 *
 * An adapter promises:
 * - **order per key**: a group sees the events of one key in the order they were published, because one key is always
 *   on one partition (`partitionOf`) and a partition is handled one batch at a time;
 * - **at least once**: a batch whose handler rejects, or whose process dies, is delivered again;
 * - **ack after the handler**: a batch counts as handled when the handler's promise has resolved, not before;
 * - **a poisoned event stops nothing**: one that is still refused after `MAX_ATTEMPTS` goes to the dead letters, as an
 *   `event.rejected.v1`, and the partition goes on;
 * - a repeat of an event id may be dropped (a cheap first line; not a promise).
 *
 * That an event *counts* once is built above this port: handlers change nothing when they see a fact a second time.
 */

import type { BusCounters } from '../connection/counters.ts';
import type { Event, EventType } from '../events/index.ts';

export interface Bus {
  /** Resolves when the events are as safe as the adapter makes them. The order of the array is kept per key. */
  publish(events: readonly Event[]): Promise<void>;
  /**
   * Begins to hand events to `handler`. Members of one group share the partitions; each group sees all events. A group
   * that has subscribed once keeps its place while nobody of it is there. Resolves when the member takes part: it has
   * been told its partitions, and has handled the latest events where it asked for them.
   */
  subscribe(options: Subscribe, handler: Handler): Promise<Subscription>;
  /** Events not yet handled, by group and partition; as far as known: an adapter may look once a second. */
  lag(): Lag[];
  /**
   * Writes down whose bus this is, where nobody has yet. Absent where the bus has no place for it.
   * @param installation an id
   * @returns the id of the installation whose it is
   */
  claim?(installation: string): Promise<string>;
  /** True, or why the bus cannot be used at the moment: in words that name no server. As far as known: some seconds old. */
  connected(): true | string;
  /** What happened to its connection since it was opened; absent where there is none. */
  readonly counters?: Readonly<Partial<BusCounters>>;
  /** An event of more bytes than this, as JSON, is not taken. May change with the server that answers. */
  readonly maxEventBytes: number;
  close(): Promise<void>;
}

/** Who listens to what. */
export interface Subscribe {
  readonly group: string;
  readonly types: readonly EventType[];
  /**
   * True: begin with the latest event of each key of the types in `LATEST_KEPT`, whenever they were published. For what
   * every process must know (the sites); the group is then one process's own.
   */
  readonly latest?: boolean;
  /** True: one member has all partitions, and the others stand by. For who judges by all keys at once. */
  readonly exclusive?: boolean;
  /**
   * Told all the partitions that are this member's, whenever they change, or are its own again after they may have been
   * another's: before anything of a new one is delivered.
   * One that is gone may have changed hands while its last batch was in hand: what is written of it has to be written by
   * compare-and-set.
   */
  readonly assigned?: (partitions: readonly number[]) => void;
}

/** Events of one partition, in order. Resolve: they are acknowledged. Reject: they come again. */
export type Handler = (batch: readonly Delivery[]) => Promise<void>;

/** One event as a group is handed it. */
export interface Delivery {
  readonly event: Event;
  readonly partition: number;
  /** 1 the first time. */
  readonly attempt: number;
}

/** One member of a group, until it stops. */
export interface Subscription {
  /** Resolves when the batch in hand is done; nothing is delivered after that. */
  stop(): Promise<void>;
}

/** How many events wait for a group on one partition, those in hand included. */
export interface Lag {
  readonly group: string;
  readonly partition: number;
  readonly events: number;
}

/** What a bus takes of an event where its server would take more: servers usually take 1 MB. */
export const MAX_EVENT_BYTES = 900_000;

/** How often an event is tried before it goes to the dead letters. */
export const MAX_ATTEMPTS = 5;

/** Types of which the bus keeps the latest event of each key for those who come later. */
export const LATEST_KEPT: readonly EventType[] = ['site.reported.v1', 'site.removed.v1'];
