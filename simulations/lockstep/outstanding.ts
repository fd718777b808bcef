import { LATEST_KEPT } from '#shared/bus/bus.ts';
import type { EventType } from '#shared/events/index.ts';

/** The part of an event that the conductor knows before the bus has it. */
export interface Announced {
  readonly id: string;
  readonly type: EventType;
  readonly key: string;
}

interface Group {
  readonly types: ReadonlySet<EventType>;
  /** The process whose own it is; undefined: shared, and there for good. */
  readonly owner: string | undefined;
  readonly handled: Set<string>;
  /** Events it has still to handle, with the process that is about to publish each; undefined: the bus has it. */
  readonly waiting: Map<string, string | undefined>;
  /** Of the types in `LATEST_KEPT` the last event of each key: a bus need not hand out those before. */
  readonly latest: Map<string, string>;
  /** The number of events announced before it came. */
  readonly since: number;
}

/**
 * Which events are still to be handled, and by whom, kept by their ids: what is said or handled again counts once, and
 * the two may be heard of in either order. A process says an event here before the bus has it, and that it has handled one
 * before the bus knows it: so what a killed process leaves is known too.
 */
export class Outstanding {
  /** The events in the order of their first announcement. */
  readonly #order = new Map<string, number>();
  readonly #groups = new Map<string, Group>();

  /** A group has a member; it gets events from now on. @param owner given where the group is one process's own */
  join(group: string, types: readonly EventType[], owner?: string): void {
    const key = keyOf(group, owner);
    const known = this.#groups.get(key);
    const parts = known ?? { handled: new Set(), waiting: new Map(), latest: new Map(), since: this.#order.size };
    this.#groups.set(key, { ...parts, types: new Set(types), owner });
  }

  /** `by` is about to publish an event. */
  says(by: string, { id, type, key }: Announced): void {
    const order = this.#order.get(id) ?? this.#order.size;
    this.#order.set(id, order);
    for (const { types, owner, handled, waiting, latest, since } of this.#groups.values()) {
      if (!types.has(type) || handled.has(id) || waiting.has(id)) continue;
      // The bus may drop a repeat of an event that was published before this group had a member.
      if (owner !== undefined && order < since) continue;
      waiting.set(id, by);
      if (owner === undefined || !LATEST_KEPT.includes(type)) continue;
      const before = latest.get(key);
      if (before !== undefined) waiting.delete(before);
      latest.set(key, id);
    }
  }

  /** The bus has it. */
  said(id: string): void {
    for (const { waiting } of this.#groups.values()) if (waiting.has(id)) waiting.set(id, undefined);
  }

  /** The bus may have it or not: the publisher repeats it if it matters. */
  unsaid(by: string, id: string): void {
    for (const { waiting } of this.#groups.values()) if (waiting.get(id) === by) waiting.delete(id);
  }

  /** @param by the process that has handled it */
  handled(group: string, by: string, id: string): void {
    const found = this.#groups.get(keyOf(group, by)) ?? this.#groups.get(keyOf(group));
    found?.handled.add(id);
    found?.waiting.delete(id);
  }

  /** A process has ended, and with it its own groups and the events it was about to publish. Its successor publishes those. */
  gone(by: string): void {
    for (const [key, { owner, waiting }] of this.#groups) {
      if (owner === by) this.#groups.delete(key);
      for (const [id, sayer] of waiting) if (sayer === by) waiting.delete(id);
    }
  }

  /** Drops the events that the own groups of a new process have not handled: they were published before it subscribed. */
  settle(owner: string): void {
    for (const group of this.#groups.values()) if (group.owner === owner) group.waiting.clear();
  }

  /** The groups that have something to handle, and the first of it, without those of `except`. For people. */
  waiting(except: ReadonlySet<string> = new Set()): string[] {
    return [...this.#groups].flatMap(([key, { owner, waiting }]) =>
      waiting.size === 0 || (owner !== undefined && except.has(owner))
        ? []
        : [`${key}: ${[...waiting].slice(0, 3).map(inWords).join(', ')}`],
    );
  }
}

function inWords([id, sayer]: readonly [string, string | undefined]): string {
  return sayer === undefined ? id : `${id} (being published by ${sayer})`;
}

function keyOf(group: string, owner?: string): string {
  return owner === undefined ? group : `${group}@${owner}`;
}
