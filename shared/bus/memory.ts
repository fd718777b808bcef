/**
 * The bus inside one process. It checks events when they are published and passes them on by reference, so a handler must not
 * change them. It keeps nothing for groups that have not subscribed yet, except the types in `LATEST_KEPT`. A group that has
 * subscribed keeps its queues in memory as long as the bus lives.
 */

import { check, type Event, type EventType, partitionOf } from '../events/index.ts';
import { type Busy, InFlight } from '../time/in-flight.ts';
import { AUDIT_TYPE, AuditCollector, type AuditEvent, type AuditedQuery, isAudit } from './audited.ts';
import {
  type Bus,
  type Delivery,
  LATEST_KEPT,
  type Lag,
  MAX_EVENT_BYTES,
  type Subscribe,
  type Subscription,
} from './bus.ts';
import { closedError } from './closed.ts';
import { deadLetter } from './dead-letter.ts';
import { MemoryGroup, type Surroundings } from './memory-group.ts';
import { RecentIds } from './recent-ids.ts';

/** After this long without a break the bus yields to the process's timers and sockets. */
const LONGEST_STRETCH_MS = 10;

/** The most records of the audit that the bus keeps. */
const MOST_AUDITED = 10_000;

/** A bus that reports when it has no unhandled event. */
export interface MemoryBus extends Bus, Busy {
  /** Resolves when the groups that have members have handled every event, also those that handlers published meanwhile. */
  idle(): Promise<void>;
}

/** Makes a bus. @param options.partitions into how many queues a group's events are divided by key */
export function memoryBus({ partitions = 16 }: { readonly partitions?: number } = {}): MemoryBus {
  const members = new InFlight();
  const breathe = breather(LONGEST_STRETCH_MS);
  const queues = new GroupQueues(partitions, members, breathe);
  const subscriptions = new Set<Subscription>();
  let owner: string | undefined;
  let closing = false;
  let closed = false;

  return {
    async publish(events) {
      if (closed) throw closedError('publish');
      for (const event of events) check(event);
      for (const event of events) queues.add(event);
      // A caller that publishes in an endless loop must not block the event loop.
      await breathe();
    },
    async subscribe(options, handler) {
      if (closing) throw closedError('subscribe');
      const { group, leave } = queues.join(options);
      const subscription = group.join(handler, options.assigned);
      subscriptions.add(subscription);
      if (options.latest) await group.caughtUp();
      return {
        async stop() {
          await subscription.stop();
          subscriptions.delete(subscription);
          leave();
        },
      };
    },
    async audited(query) {
      if (closed) throw closedError('audited');
      return queues.audited(query);
    },
    maxEventBytes: MAX_EVENT_BYTES,
    lag: () => queues.lag(),
    claim: async (installation) => (owner ??= installation),
    // It stores no events: those that wait in a queue are on their way to a handler.
    userEvents: { find: async () => [], erase: async () => 0 },
    connected: () => true,
    get busy() {
      return members.busy;
    },
    idle: () => members.idle(),
    async close() {
      closing = true;
      // Running handlers may still publish.
      await Promise.all([...subscriptions].map((subscription) => subscription.stop()));
      closed = true;
    },
  };
}

/** The queues of all groups, the latest events of the types in `LATEST_KEPT`, and the newest records of the audit. */
class GroupQueues {
  readonly #partitions: number;
  readonly #surroundings: Surroundings;
  readonly #groups = new Map<string, MemoryGroup>();
  /** Groups of one member each. */
  readonly #owned = new Set<MemoryGroup>();
  #wanting = new Map<EventType, readonly MemoryGroup[]>();
  readonly #latest = new Map(LATEST_KEPT.map((type) => [type, new Map<string, Event>()]));
  readonly #audited: AuditEvent[] = [];
  readonly #recent = new RecentIds();

  constructor(partitions: number, members: InFlight, breathe: () => Promise<void> | undefined) {
    this.#partitions = partitions;
    this.#surroundings = {
      members,
      partitions,
      breathe,
      reject: (delivery, group, error) => {
        const letter = deadLetter(delivery.event, group, error);
        if (letter !== undefined) this.add(letter);
      },
    };
  }

  /** Adds an event to the queues of all groups that want its type. A repeat changes nothing. */
  add(event: Event): void {
    if (!this.#recent.add(event.id)) return;
    this.#latest.get(event.type)?.set(event.partitionkey, event);
    const takers = this.#wanting.get(event.type);
    if (takers === undefined) {
      if (isAudit(event)) this.#keep(event);
      return;
    }
    const delivery = this.#first(event);
    for (const group of takers) group.add(delivery);
  }

  /** The group of a new member. @returns `leave`: call it after the member has stopped */
  join(options: Subscribe): { readonly group: MemoryGroup; readonly leave: () => void } {
    // A member that begins with the latest has a group of its own, which ends with it.
    const own = options.latest ? new MemoryGroup(options.group, this.#surroundings) : undefined;
    const group = own ?? this.#groups.get(options.group) ?? new MemoryGroup(options.group, this.#surroundings);
    if (own) this.#owned.add(own);
    else this.#groups.set(options.group, group);
    group.types = new Set(options.types);
    group.exclusive = options.exclusive ?? false;
    this.#wanting = byType(this.#all());

    const kept = own ? LATEST_KEPT.filter((type) => group.types.has(type)) : [];
    const begin = kept.flatMap((type) => [...this.#latest.get(type)!.values()].map((event) => this.#first(event)));
    group.beginWith(begin, ({ event }) => group.types.has(event.type));
    const leave = () => {
      if (own?.deserted && this.#owned.delete(own)) this.#wanting = byType(this.#all());
    };
    return { group, leave };
  }

  /** The records that a query asks for. */
  audited(query: AuditedQuery): readonly AuditEvent[] {
    const collector = new AuditCollector(query);
    for (const event of this.#audited) collector.add(event);
    return collector.found;
  }

  lag(): Lag[] {
    return this.#all().flatMap(({ name, queues }) =>
      queues.map((queue, partition) => ({ group: name, partition, events: queue.size })),
    );
  }

  #keep(event: AuditEvent): void {
    this.#audited.push(event);
    if (this.#audited.length > MOST_AUDITED) this.#audited.shift();
  }

  #all(): MemoryGroup[] {
    return [...this.#groups.values(), ...this.#owned];
  }

  #first(event: Event): Delivery {
    return { event, partition: partitionOf(event.partitionkey, this.#partitions), attempt: 1 };
  }
}

function byType(groups: Iterable<MemoryGroup>): Map<EventType, readonly MemoryGroup[]> {
  const wanting = new Map<EventType, MemoryGroup[]>();
  for (const group of groups) {
    for (const type of group.types) {
      if (type !== AUDIT_TYPE) wanting.set(type, [...(wanting.get(type) ?? []), group]);
    }
  }
  return wanting;
}

/** Makes a function that returns a break, one turn of the event loop, when the last one is `stretchMs` ago. */
function breather(stretchMs: number): () => Promise<void> | undefined {
  let turnedMs = performance.now();
  let pause: Promise<void> | undefined;
  return () => {
    if (performance.now() - turnedMs < stretchMs) return undefined;
    pause ??= new Promise((resume) => {
      setImmediate(() => {
        turnedMs = performance.now();
        pause = undefined;
        resume();
      });
    });
    return pause;
  };
}
