/**
 * State and the events that follow from it, as one: first both are written, by compare-and-set, then the events are
 * published, then the input is acknowledged. Whoever dies in between finds the events in the record and publishes them
 * again under the same ids; whoever was overtaken loses the compare-and-set and has published nothing.
 */
import type { Bus } from '#shared/bus/bus.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Event } from '#shared/events/index.ts';
import type { Store } from '#shared/store/store.ts';

/** A record as it lies in the store. The outbox is overwritten with the next change. */
interface Kept<T> {
  readonly value: T;
  readonly outbox: readonly Event[];
}

export interface Change {
  readonly key: string;
  /** JSON. */
  readonly value: unknown;
  /** Events that follow from this change. */
  readonly events: readonly Event[];
}

export class Ledger {
  readonly #store: Store;
  readonly #bus: Bus;
  readonly #prefix: string;
  readonly #revisions = new Map<string, number>();

  /** @param prefix begins the keys of all records of this ledger */
  constructor(store: Store, bus: Bus, prefix: string) {
    this.#store = store;
    this.#bus = bus;
    this.#prefix = prefix;
  }

  /**
   * The records, after their outboxes have been published again.
   * @param folders begins of the keys of those that are wanted; all, where it is left out
   */
  async load<T>(folders: readonly string[] = ['']): Promise<{ key: string; value: T }[]> {
    const lists = await Promise.all(folders.map((folder) => this.#store.list<Kept<T>>(this.#prefix + folder)));
    const records = lists.flat();
    this.#revisions.clear();
    for (const { key, revision } of records) this.#revisions.set(key, revision);
    const unsaid = records.flatMap(({ value }) => value.outbox);
    if (unsaid.length > 0) await this.#bus.publish(unsaid);
    return records.map(({ key, value }) => ({ key: key.slice(this.#prefix.length), value: value.value }));
  }

  /**
   * Writes the changes, then publishes their events in order.
   * @throws TagalongError STORE_CONFLICT where somebody else wrote a record meanwhile: load again, act on nothing
   */
  async commit(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    const writes = changes.map(({ key, value, events }) => ({
      key: this.#prefix + key,
      value: { value, outbox: events } satisfies Kept<unknown>,
      revision: this.#revisions.get(this.#prefix + key) ?? 0,
    }));
    const revisions = await this.#store.put(writes).catch(async (error) => {
      if (error instanceof TagalongError && error.code === 'STORE_CONFLICT') await this.#sayWon(changes);
      throw error;
    });
    writes.forEach(({ key }, i) => {
      this.#revisions.set(key, revisions[i]!);
    });
    const events = changes.flatMap((change) => change.events);
    if (events.length > 0) await this.#bus.publish(events);
  }

  /** Some may have won where others lost, and may belong to another process by now, which had read them before. */
  async #sayWon(changes: readonly Change[]): Promise<void> {
    for (const { key, events } of changes) {
      if (events.length === 0) continue;
      const kept = await this.#store.get<Kept<unknown>>(this.#prefix + key);
      const won = kept?.value.outbox.filter(({ id }) => events.some((event) => event.id === id)) ?? [];
      // As it is on record: another process may have come to the same event by another way.
      if (won.length > 0) await this.#bus.publish(won);
    }
  }
}
