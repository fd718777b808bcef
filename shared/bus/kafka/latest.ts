/** The beginning of a member that wants the latest of each key: what was there is read to its end before any is handed out. */
import type { Admin } from 'kafkajs';
import { placeKey } from './places.ts';
import { offsetsOf } from './topics.ts';
import type { Read } from './wire.ts';

/** Reads compacted partitions up to where they ended when it began. */
export class CatchUp {
  /** Resolves when all that was there has been handled. */
  readonly done: Promise<void>;
  readonly #resolve: () => void;
  readonly #topic: string;
  /** Partition to the offset at which it ended. */
  readonly #ends: Map<number, number>;
  readonly #latest = new Map<number, Map<string, Read>>();

  private constructor(topic: string, ends: Map<number, number>) {
    this.#topic = topic;
    this.#ends = ends;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolve = resolve;
    if (ends.size === 0) resolve();
  }

  static async begin(admin: Admin, topic: string): Promise<CatchUp> {
    const ends = new Map<number, number>();
    for (const { partition, low, high } of await offsetsOf(admin, topic)) {
      if (Number(high) > Number(low)) ends.set(partition, Number(high));
    }
    return new CatchUp(topic, ends);
  }

  /** Whether what was there at the beginning is not yet handled on a partition. */
  isUnderWay(topic: string, partition: number): boolean {
    return topic === this.#topic && this.#ends.has(partition);
  }

  /**
   * Takes what was read of a partition that is under way.
   * @returns the latest of each key and what came after the end, in order; undefined where the end is still to come
   */
  take(partition: number, events: readonly Read[], readTo: number): Read[] | undefined {
    const end = this.#ends.get(partition)!;
    const latest = this.#latest.get(partition) ?? new Map<string, Read>();
    this.#latest.set(partition, latest);
    const before = events.findLastIndex(({ offset }) => offset < end) + 1;
    for (const read of events.slice(0, before)) {
      latest.delete(read.event.partitionkey);
      latest.set(read.event.partitionkey, read);
    }
    return readTo < end ? undefined : [...latest.values(), ...events.slice(before)];
  }

  /** What `take` gave last of a partition is handled. */
  finish(partition: number): void {
    this.#ends.delete(partition);
    this.#latest.delete(partition);
    if (this.#ends.size === 0) this.#resolve();
  }

  /** Nobody waits for the rest any more. */
  abandon(): void {
    this.#resolve();
  }
}

/** Where the other topics of such a member begin: at their ends. */
export async function endsOf(admin: Admin, topics: readonly string[]): Promise<Map<string, number>> {
  const ends = new Map<string, number>();
  for (const topic of topics) {
    for (const { partition, high } of await offsetsOf(admin, topic)) ends.set(placeKey(topic, partition), Number(high));
  }
  return ends;
}
