/**
 * State and the events that follow from it, as one transaction: the outbox first writes both by compare-and-set, then publishes
 * the events; the caller acknowledges the input after that. A process that dies in between leaves the events in the record, and
 * whoever loads the record publishes them again under the same ids. A process that loses the compare-and-set has published
 * nothing. services/README.md ("How a record is written") says when to use which way.
 *
 * `updateRecord` does not serve here: one write covers a batch of records, the new state was computed from all that the process
 * knows, and after a lost write that state is stale. So the caller loads again and handles the input again.
 *
 * Each record stands alone. The outbox sets aside a record that cannot be read and never writes it. It refuses a change whose
 * events, size or shape bus or store would not take, and writes the others of the batch.
 */
import type { Bus } from '#shared/bus/bus.ts';
import { outboxLetter } from '#shared/bus/dead-letter.ts';
import type { Clock } from '#shared/clock/clock.ts';
import { TagalongError } from '#shared/errors.ts';
import { check, type Event } from '#shared/events/index.ts';
import type { RecordKind } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store, Stored, Write } from '#shared/store/store.ts';
import { isUnreadable } from '#shared/store/update.ts';

/** A record as it lies in the store; `v` is missing in version 0. The next change overwrites the outbox. */
interface Kept {
  readonly v?: number;
  readonly value: unknown;
  readonly outbox: readonly unknown[];
}

export interface Change<T> {
  readonly key: string;
  readonly value: T;
  /** Events that follow from this change. */
  readonly events: readonly Event[];
}

/** A change that was not made, and why. */
export interface Refusal {
  readonly key: string;
  /** Those of the change; none of them was published. */
  readonly events: readonly Event[];
  readonly error: TagalongError;
}

export interface OutboxParts<T> {
  readonly store: Store;
  readonly bus: Bus;
  /** Begins the keys of all records of this outbox. */
  readonly prefix: string;
  readonly kind: RecordKind<T>;
  readonly setAside: SetAside;
  readonly clock: Clock;
}

/** What a server takes at most it takes with headers of its own. */
const ENVELOPE_BYTES = 2_000;

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
   * The records that can be read, after their outboxes have been published again; the others are set aside.
   * @param folders begins of the keys of those that are wanted; all, where it is left out
   */
  async load(folders: readonly string[] = ['']): Promise<{ key: string; value: T }[]> {
    const lists = await Promise.all(folders.map((folder) => this.#store.list<Kept>(this.#prefix + folder)));
    this.#revisions.clear();
    const here = new Set(lists.flat().map(({ key }) => key));
    // What is another's by now, or is no more.
    for (const { key } of this.#setAside.list([this.#kind.kind])) if (!here.has(key)) this.#setAside.release(key);
    const unsaid: { readonly key: string; readonly entry: unknown }[] = [];
    const readable: { key: string; value: T }[] = [];
    for (const stored of lists.flat()) {
      const read = this.#read(stored);
      if (read === undefined) continue;
      readable.push(read);
      const { outbox } = stored.value;
      if (Array.isArray(outbox)) for (const entry of outbox) unsaid.push({ key: stored.key, entry });
    }
    await this.#sayAgain(unsaid);
    return readable;
  }

  /** One record, read anew; undefined where there is none that can be read. */
  async reload(key: string): Promise<T | undefined> {
    const stored = await this.#store.get<Kept>(this.#prefix + key);
    return stored && this.#read(stored)?.value;
  }

  #read(stored: Stored<Kept>): { key: string; value: T } | undefined {
    const key = stored.key.slice(this.#prefix.length);
    try {
      const { v = 0, value } = stored.value ?? {};
      const read = this.#kind.upgrade(v, value);
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
   * @returns the changes that were refused, and nothing of which was written or published; the others are made
   * @throws TagalongError STORE_CONFLICT where somebody else wrote a record meanwhile: load again, act on nothing
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
      if (error instanceof TagalongError && error.code === 'STORE_CONFLICT') await this.#sayWon(made);
      throw error;
    });
    writes.forEach(({ key }, i) => {
      this.#revisions.set(key, revisions[i]!);
    });
    const events = made.flatMap((change) => change.events);
    if (events.length > 0) await this.#bus.publish(events);
    return refusals;
  }

  /** What both take: the events that are in a record have to go over the bus. */
  #limitBytes(): number {
    return Math.min(this.#store.maxRecordBytes, this.#bus.maxEventBytes) - ENVELOPE_BYTES;
  }

  /** The write of a change; or why nobody would take it. */
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
    const kept: Kept = { v: this.#kind.version, value, outbox: events };
    const text = JSON.stringify(kept);
    // A character takes three bytes at most.
    if (text.length * 3 > limit && Buffer.byteLength(text) > limit) {
      const what = `the record has ${Buffer.byteLength(text)} bytes with its events`;
      return new TagalongError('RECORD_TOO_LONG', `${what}; bus and store take ${limit}`);
    }
    return { key: whole, value: kept, text, revision: this.#revisions.get(whole) ?? 0 };
  }

  /**
   * After a conflict some of the batch's records may have been written all the same. This publishes their events: the new owner
   * may have read the records before this write, and would never publish them.
   */
  async #sayWon(changes: readonly Change<T>[]): Promise<void> {
    for (const { key, events } of changes) {
      if (events.length === 0) continue;
      const kept = await this.#store.get<Kept>(this.#prefix + key);
      const won = (kept?.value?.outbox ?? []).filter((entry) => events.some(({ id }) => id === idOf(entry)));
      // As it is on record: another process may have come to the same event by another way.
      await this.#sayAgain(won.map((entry) => ({ key: this.#prefix + key, entry })));
    }
  }

  /** What is no event, or no longer one, goes to the dead letters under its record's key. */
  async #sayAgain(unsaid: readonly { readonly key: string; readonly entry: unknown }[]): Promise<void> {
    if (unsaid.length === 0) return;
    const limit = this.#limitBytes();
    const events = unsaid.map(({ key, entry }) => {
      const bytes = Buffer.byteLength(JSON.stringify(entry));
      try {
        if (bytes > limit) throw new TagalongError('PAYLOAD_TOO_LARGE', `${bytes} bytes; bus and store take ${limit}`);
        return check(entry);
      } catch (error) {
        const original = bytes > limit ? { id: idOf(entry), bytes } : entry;
        const vm = key.slice(key.lastIndexOf('/') + 1);
        return outboxLetter({ key, vm, id: idOf(entry), original, atMs: Math.round(this.#clock.now()), error });
      }
    });
    await this.#bus.publish(events);
  }
}

function idOf(entry: unknown): string {
  const { id } = (entry ?? {}) as { id?: unknown };
  return typeof id === 'string' ? id : 'unknown';
}
