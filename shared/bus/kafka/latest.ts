/** The start of a member that subscribes to the latest event of each key: it reads all events before it hands out the first. */
import type { Admin } from 'kafkajs';
import { partitionKey } from '../../kafka/offsets.ts';
import { offsetsOf } from '../../kafka/topics.ts';
import type { Read } from './wire.ts';

/** Collects the latest events of compacted partitions, up to where they ended when it began. */
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

  /** Asks where the partitions of `topic` end now. @throws an error of kafkajs */
  static async begin(admin: Admin, topic: string): Promise<CatchUp> {
    const ends = new Map<number, number>();
    for (const { partition, low, high } of await offsetsOf(admin, topic)) {
      if (Number(high) > Number(low)) ends.set(partition, Number(high));
    }
    return new CatchUp(topic, ends);
  }

  /** True where events that were there at the beginning are not handled yet on a partition. */
  isUnderWay(topic: string, partition: number): boolean {
    return topic === this.#topic && this.#ends.has(partition);
  }

  /**
   * Takes events that were read of a partition that is under way.
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

  /** The events that `take` returned last for a partition are handled. */
  finish(partition: number): void {
    this.#ends.delete(partition);
    this.#latest.delete(partition);
    if (this.#ends.size === 0) this.#resolve();
  }

  /** Resolves `done` although events are left, because no caller waits for them any more. */
  abandon(): void {
    this.#resolve();
  }
}

/** The ends of topics, by `partitionKey`: there such a member begins with the types that are not kept. @throws an error of kafkajs */
export async function endsOf(admin: Admin, topics: readonly string[]): Promise<Map<string, number>> {
  const ends = new Map<string, number>();
  for (const topic of topics) {
    for (const { partition, high } of await offsetsOf(admin, topic))
      ends.set(partitionKey(topic, partition), Number(high));
  }
  return ends;
}
