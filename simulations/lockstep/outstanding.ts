import { LATEST_KEPT } from '#shared/bus/bus.ts';
import type { EventType } from '#shared/events/index.ts';

/** An event that a process is about to publish. */
export interface AnnouncedEvent {
  readonly id: string;
  readonly type: EventType;
  readonly key: string;
}

/** A consumer group. */
interface Group {
  readonly types: ReadonlySet<EventType>;
  /** The only process of the group; undefined if processes share the group, which then never ends. */
  readonly owner: string | undefined;
  readonly handled: Set<string>;
  /** The events that the group has not handled. By id: the process that is about to publish it; undefined: the bus has it. */
  readonly unhandled: Map<string, string | undefined>;
  /** For types in `LATEST_KEPT`: the last event of each key. A bus need not deliver the events before it. */
  readonly latest: Map<string, string>;
  /** The number of events that were announced before the group subscribed. */
  readonly since: number;
}

/**
 * The events that some consumer group has not handled yet.
 *
 * A process announces an event before it publishes it, and reports an event as handled before the bus knows. So nothing is
 * forgotten if a process is killed in between. Both reports may arrive in either order and more than once.
 */
export class Outstanding {
  /** By id: the position of the event in the order of first announcements. */
  readonly #order = new Map<string, number>();
  readonly #groups = new Map<string, Group>();

  /** A process has subscribed to some types. @param owner the process, if the group belongs to it alone */
  subscribed(group: string, types: readonly EventType[], owner?: string): void {
    const key = keyOf(group, owner);
    const known = this.#groups.get(key);
    const state = known ?? { handled: new Set(), unhandled: new Map(), latest: new Map(), since: this.#order.size };
    this.#groups.set(key, { ...state, types: new Set(types), owner });
  }

  /** A process is about to publish an event. */
  announced(publisher: string, { id, type, key }: AnnouncedEvent): void {
    const order = this.#order.get(id) ?? this.#order.size;
    this.#order.set(id, order);
    for (const { types, owner, handled, unhandled, latest, since } of this.#groups.values()) {
      if (!types.has(type) || handled.has(id) || unhandled.has(id)) continue;
      // The first announcement came before the group subscribed. The bus may drop this repetition as a duplicate.
      if (owner !== undefined && order < since) continue;
      unhandled.set(id, publisher);
      if (owner === undefined || !LATEST_KEPT.includes(type)) continue;
      const before = latest.get(key);
      if (before !== undefined) unhandled.delete(before);
      latest.set(key, id);
    }
  }

  /** The bus has stored an event. */
  published(id: string): void {
    for (const { unhandled } of this.#groups.values()) if (unhandled.has(id)) unhandled.set(id, undefined);
  }

  /** Publishing an event has failed. The bus may have it or not; the publisher announces it again if it retries. */
  publishFailed(publisher: string, id: string): void {
    for (const { unhandled } of this.#groups.values()) if (unhandled.get(id) === publisher) unhandled.delete(id);
  }

  /** A process has handled an event as a member of a group. */
  handled(group: string, by: string, id: string): void {
    const found = this.#groups.get(keyOf(group, by)) ?? this.#groups.get(keyOf(group));
    found?.handled.add(id);
    found?.unhandled.delete(id);
  }

  /** A process has ended. Its own groups end with it. Its successor announces the events that it was about to publish. */
  ended(process: string): void {
    for (const [key, { owner, unhandled }] of this.#groups) {
      if (owner === process) this.#groups.delete(key);
      for (const [id, publisher] of unhandled) if (publisher === process) unhandled.delete(id);
    }
  }

  /** Drops the unhandled events of the own groups of a new process: they were published before it subscribed. */
  dropUnhandled(owner: string): void {
    for (const group of this.#groups.values()) if (group.owner === owner) group.unhandled.clear();
  }

  /**
   * Describes, for people, each group with unhandled events and the first of these events.
   * @param except processes whose own groups are left out
   */
  unhandled(except: ReadonlySet<string> = new Set()): string[] {
    return [...this.#groups].flatMap(([key, { owner, unhandled }]) =>
      unhandled.size === 0 || (owner !== undefined && except.has(owner))
        ? []
        : [`${key}: ${[...unhandled].slice(0, 3).map(inWords).join(', ')}`],
    );
  }
}

function inWords([id, publisher]: readonly [string, string | undefined]): string {
  return publisher === undefined ? id : `${id} (being published by ${publisher})`;
}

function keyOf(group: string, owner?: string): string {
  return owner === undefined ? group : `${group}@${owner}`;
}
