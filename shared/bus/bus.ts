/**
 * The bus port: events in partitions, for groups of members. Memory, NATS JetStream and Kafka implement it.
 *
 * An adapter promises:
 * - **order per key**: a group receives the events of one key in the order in which they were published, because one key is
 *   always on one partition (`partitionOf`), and a partition is handled one batch at a time;
 * - **at least once**: a batch whose handler rejects, or whose process dies, is delivered again;
 * - **acknowledged after the handler**: a batch counts as handled when the handler's promise has resolved, not before;
 * - **a poisoned event stops nothing**: an event that is refused `MAX_ATTEMPTS` times becomes a dead letter, an
 *   `event.rejected.v1`, and the partition goes on;
 * - an adapter may drop a repeat of an event id, and need not;
 * - **the audit is apart**: its events are kept for a time of their own, and no group receives them.
 *
 * Handlers make an event *count* once: they change nothing when they receive it a second time.
 */

import type { BusCounters } from '../connection/counters.ts';
import type { Event, EventType } from '../events/index.ts';
import type { AuditEvent, AuditedQuery } from './audited.ts';

export interface Bus {
  /**
   * Publishes events, in the order of the array for each key. Resolves when they are as durable as the adapter makes them.
   * @throws TagalongError EVENT_INVALID, and then none is published; PAYLOAD_TOO_LARGE, BUS_UNREACHABLE, BUS_REFUSED, and then some may
   * have been; BUS_CLOSED
   */
  publish(events: readonly Event[]): Promise<void>;
  /**
   * Joins a group as one member, and begins to hand events to `handler`. The members of a group share the partitions; each group
   * receives all events. A new group begins with what is published from now on, and keeps its offsets while it has no members.
   * Resolves when the member takes part: `assigned` was called, and the latest events are handled where it asked for them.
   * @throws TagalongError BUS_UNREACHABLE, BUS_REFUSED, BUS_UNFIT, BUS_CLOSED
   */
  subscribe(options: Subscribe, handler: Handler): Promise<Subscription>;
  /**
   * Reads records of the audit that the bus still has, in the order in which it has them.
   * @throws TagalongError BUS_UNREACHABLE, BUS_REFUSED, BUS_CLOSED
   */
  audited(query: AuditedQuery): Promise<readonly AuditEvent[]>;
  /** How many events are not handled, by group and partition. It may be a second old, and empty at first. */
  lag(): Lag[];
  /**
   * Writes down that an installation owns the bus, where none does yet. Absent where the bus has no place for it.
   * @param installation its id
   * @returns the id of the owner
   * @throws TagalongError BUS_UNREACHABLE
   */
  claim?(installation: string): Promise<string>;
  /** The stored events about users. Absent where the server cannot delete single events: they stay until they are too old. */
  readonly userEvents?: UserEvents;
  /** True, or why the bus cannot be used at the moment, in words that name no server. It may be some seconds old. */
  connected(): true | string;
  /** Counts of its connection since it was opened; absent where it has none. */
  readonly counters?: Readonly<Partial<BusCounters>>;
  /** The most bytes of an event, as JSON. It may change when another server of a cluster answers. */
  readonly maxEventBytes: number;
  /** Stops all members after their batches in hand, then closes the connection. Later calls get BUS_CLOSED. */
  close(): Promise<void>;
}

/** Finds and deletes the stored events about users, by the names that the bus carries. */
export interface UserEvents {
  /**
   * The latest stored events about these users.
   * @param most the most events to return
   * @throws TagalongError BUS_UNREACHABLE
   */
  find(users: readonly string[], most: number): Promise<Event[]>;
  /**
   * Deletes the stored events about these users, so that nobody can read them again. Groups that have not handled them yet never
   * receive them.
   * @returns the number of deleted events
   * @throws TagalongError BUS_UNREACHABLE; some events may be deleted then
   */
  erase(users: readonly string[]): Promise<number>;
}

/** The events that a member receives, and the group to which it belongs. */
export interface Subscribe {
  readonly group: string;
  readonly types: readonly EventType[];
  /**
   * True: the member begins with the latest event of each key of the types in `LATEST_KEPT`, whenever they were published, and
   * receives all partitions: the group is one process's own. For what every process has to know (the sites).
   */
  readonly latest?: boolean;
  /** True: one member has all partitions, and the others stand by. For a service that decides over all keys at once. */
  readonly exclusive?: boolean;
  /**
   * Called with the full list of the member's partitions after each assignment that changes it, or after which another member may
   * have had them in between, and before the first delivery of a new partition. Another member may already work on a partition
   * that is gone while this one finishes its last batch: write what follows from that batch by compare-and-set.
   */
  readonly assigned?: (partitions: readonly number[]) => void;
}

/** Handles events of one partition, in order. Resolving acknowledges them; after a rejection they come again. */
export type Handler = (batch: readonly Delivery[]) => Promise<void>;

/** One event as a group receives it. */
export interface Delivery {
  readonly event: Event;
  readonly partition: number;
  /** 1 at the first attempt, at most `MAX_ATTEMPTS`. */
  readonly attempt: number;
}

/** One member of a group, until it stops. */
export interface Subscription {
  /** Leaves the group. Resolves when the batch in hand is done; nothing is delivered after that. */
  stop(): Promise<void>;
}

/** How many events wait for a group on one partition, including those in hand. */
export interface Lag {
  readonly group: string;
  readonly partition: number;
  readonly events: number;
}

/** The most bytes of an event where the server would take more: servers usually take 1 MB. */
export const MAX_EVENT_BYTES = 900_000;

/** How often an event is tried before it becomes a dead letter. */
export const MAX_ATTEMPTS = 5;

/** The types of which the bus keeps the latest event of each key for members that ask for the latest. */
export const LATEST_KEPT: readonly EventType[] = ['site.reported.v1', 'site.removed.v1'];
