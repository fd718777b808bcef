/**
 * Transactional outbox: persists a state change together with its events by one compare-and-set, then publishes the events. The
 * caller acknowledges its input after that. If the process dies in between, the record still holds the events, and the next process
 * that loads it publishes them again under the same ids. A process that loses the compare-and-set has published nothing.
 * services/README.md ("How a record is written") compares the ways to write a record.
 *
 * `updateRecord` does not fit here: one write covers a batch of records, and the new state depends on the whole state of the
 * process. After a lost write that state is stale, so the caller loads it again and handles the input again.
 *
 * Records fail independently. The outbox sets aside a record that cannot be read, and never writes it. It refuses a change whose
 * events, size or shape the bus or the store would reject, and writes the other changes of the batch.
 */
import type { Bus } from '#shared/bus/bus.ts';
import { outboxDeadLetter } from '#shared/bus/dead-letter.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { TagalongError } from '#shared/errors.ts';
import { check, type Event } from '#shared/events/index.ts';
import { type RecordKind, valueBesideOutbox } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store, Stored, Write } from '#shared/store/store.ts';
import { isUnreadable } from '#shared/store/update.ts';

/** The stored form of a record; `v` is missing in version 0. The next change overwrites the outbox. */
interface StoredEnvelope {
  readonly v?: number;
  readonly value: unknown;
  readonly outbox: readonly unknown[];
}

/** A record to write, with the events that follow from it. */
export interface Change<T> {
  /** The key without the outbox's prefix. */
  readonly key: string;
  readonly value: T;
  /** The events to publish, in this order, once the record is written. */
  readonly events: readonly Event[];
}

/** A change that was refused, with the reason. */
export interface Refusal {
  readonly key: string;
  /** The events of the change; none of them was published. */
  readonly events: readonly Event[];
  readonly error: TagalongError;
}

/** The dependencies of an outbox. */
export interface OutboxParts<T> {
  readonly store: Store;
  readonly bus: Bus;
  /** The prefix of the keys of all its records. */
  readonly prefix: string;
  readonly kind: RecordKind<T>;
  readonly setAside: SetAside;
  readonly clock: Clock;
}

/** Reserved for headers, which servers include in their size limit. */
const ENVELOPE_BYTES = 2_000;

/**
 * Owns the records under one prefix, with the revision of each record that it has read or written. A process has one outbox for a
 * prefix.
 */
export class Outbox<T> {
  readonly #store: Store;
  readonly #bus: Bus;
  readonly #prefix: string;
  readonly #kind: RecordKind<T>;
  readonly #setAside: SetAside;
  readonly #clock: Clock;
  readonly #revisions = new Map<string, number>();

  constructor({ store, bus, prefix, kind, setAside, clock }: OutboxParts<T>) {
    this.#store = store;
    this.#bus = bus;
    this.#prefix = prefix;
    this.#kind = kind;
    this.#setAside = setAside;
    this.#clock = clock;
  }

  /**
   * Reads the records, publishes their outboxes again, and sets aside the records that cannot be read.
   * @param folders the key prefixes to read, below the outbox's prefix. @default all
   * @throws TagalongError of bus and store
   */
  async load(folders: readonly string[] = ['']): Promise<{ key: string; value: T }[]> {
    const lists = await Promise.all(folders.map((folder) => this.#store.list<StoredEnvelope>(this.#prefix + folder)));
    this.#revisions.clear();
    const here = new Set(lists.flat().map(({ key }) => key));
    // These records now belong to another process, or are deleted.
    for (const { key } of this.#setAside.list([this.#kind.kind])) if (!here.has(key)) this.#setAside.release(key);
    const unpublished: { readonly key: string; readonly entry: unknown }[] = [];
    const readable: { key: string; value: T }[] = [];
    for (const stored of lists.flat()) {
      const read = this.#read(stored);
      if (read === undefined) continue;
      readable.push(read);
      const { outbox } = stored.value;
      if (Array.isArray(outbox)) for (const entry of outbox) unpublished.push({ key: stored.key, entry });
    }
    await this.#publishOutboxes(unpublished);
    return readable;
  }

  /** Reads one record again; undefined: it does not exist or cannot be read. */
  async reload(key: string): Promise<T | undefined> {
    const stored = await this.#store.get<StoredEnvelope>(this.#prefix + key);
    return stored && this.#read(stored)?.value;
  }

  #read(stored: Stored<StoredEnvelope>): { key: string; value: T } | undefined {
    const key = stored.key.slice(this.#prefix.length);
    try {
      const read = valueBesideOutbox(this.#kind, stored.value);
      this.#revisions.set(stored.key, stored.revision);
      this.#setAside.release(stored.key);
      return { key, value: read };
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.#setAside.add(this.#kind, stored.key, error);
      return undefined;
    }
  }

  /**
   * Writes the changes, then publishes their events in order.
   * @returns the refused changes, which were neither written nor published; all others were
   * @throws TagalongError STORE_CONFLICT where another process has written one of the records: the caller has to load again
   */
  async commit(changes: readonly Change<T>[]): Promise<readonly Refusal[]> {
    if (changes.length === 0) return [];
    const refusals: Refusal[] = [];
    const writes: Write[] = [];
    const made: Change<T>[] = [];
    const limit = this.#limitBytes();
    for (const change of changes) {
      const write = this.#fit(change, limit);
      if (write instanceof TagalongError) refusals.push({ key: change.key, events: change.events, error: write });
      else {
        writes.push(write);
        made.push(change);
      }
    }
    if (writes.length === 0) return refusals;
    const revisions = await this.#store.put(writes).catch(async (error) => {
      if (error instanceof TagalongError && error.code === 'STORE_CONFLICT') await this.#publishWritten(made);
      throw error;
    });
    writes.forEach(({ key }, i) => {
      this.#revisions.set(key, revisions[i]!);
    });
    const events = made.flatMap((change) => change.events);
    if (events.length > 0) await this.#bus.publish(events);
    return refusals;
  }

  /** The size limit in bytes, the lower one of bus and store: a record's events are also published. */
  #limitBytes(): number {
    return Math.min(this.#store.maxRecordBytes, this.#bus.maxEventBytes) - ENVELOPE_BYTES;
  }

  /** The write of a change, or the error with which bus or store would refuse it. */
  #fit({ key, value, events }: Change<T>, limit: number): Write | TagalongError {
    const whole = this.#prefix + key;
    const aside = this.#setAside.get(whole);
    if (aside?.code === 'STORE_RECORD_UNREADABLE') return new TagalongError('STORE_RECORD_UNREADABLE', aside.reason);
    const fault = this.#kind.faultIn(value);
    if (fault !== undefined) return new TagalongError('EVENT_INVALID', `${this.#kind.kind}: ${fault}`);
    try {
      for (const event of events) check(event);
    } catch (error) {
      return error as TagalongError;
    }
    const kept: StoredEnvelope = { v: this.#kind.version, value, outbox: events };
    const text = JSON.stringify(kept);
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    if (text.length * 3 > limit && Buffer.byteLength(text) > limit) {
      const what = `the record has ${Buffer.byteLength(text)} bytes with its events`;
      return new TagalongError('RECORD_TOO_LONG', `${what}; bus and store accept at most ${limit}`);
    }
    return { key: whole, value: kept, text, revision: this.#revisions.get(whole) ?? 0 };
  }

  /**
   * After a conflict, publishes the events of those records of the batch that were written before it. The new owner may have read
   * these records earlier, and would never publish their events.
   */
  async #publishWritten(changes: readonly Change<T>[]): Promise<void> {
    for (const { key, events } of changes) {
      if (events.length === 0) continue;
      const kept = await this.#store.get<StoredEnvelope>(this.#prefix + key);
      const won = (kept?.value?.outbox ?? []).filter((entry) => events.some(({ id }) => id === idOf(entry)));
      // The events from the record: another process may have created the same event with other data.
      await this.#publishOutboxes(won.map((entry) => ({ key: this.#prefix + key, entry })));
    }
  }

  /** Publishes outbox entries. An entry that is not a valid event becomes a dead letter under its record's key. */
  async #publishOutboxes(unpublished: readonly { readonly key: string; readonly entry: unknown }[]): Promise<void> {
    if (unpublished.length === 0) return;
    const limit = this.#limitBytes();
    const events = unpublished.map(({ key, entry }) => {
      const bytes = Buffer.byteLength(JSON.stringify(entry));
      try {
        if (bytes > limit)
          throw new TagalongError(
            'PAYLOAD_TOO_LARGE',
            `the event has ${bytes} bytes; bus and store accept at most ${limit}`,
          );
        return check(entry);
      } catch (error) {
        const original = bytes > limit ? { id: idOf(entry), bytes } : entry;
        const vm = key.slice(key.lastIndexOf('/') + 1);
        return outboxDeadLetter({ key, vm, id: idOf(entry), original, atMs: Math.round(this.#clock.now()), error });
      }
    });
    await this.#bus.publish(events);
  }
}

function idOf(entry: unknown): string {
  const { id } = (entry ?? {}) as { id?: unknown };
  return typeof id === 'string' ? id : 'unknown';
}
