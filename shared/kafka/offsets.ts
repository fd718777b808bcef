/** The offsets of a group on its partitions: committed to the brokers, or in the memory of a group's only member. */

import type { Admin, Consumer, EachBatchPayload, IMemberAssignment } from 'kafkajs';
import { until } from '../clock/retry.ts';
import { offsetsOf } from './topics.ts';

/** Everything before `offset` is handled. */
export interface CommittedOffset {
  readonly offset: number;
  /** Absent if no event behind it was refused before. */
  readonly tried?: Tried;
}

/** The numbers of attempts of the events behind a committed offset. */
export interface Tried {
  /** The number of attempts of the first event. */
  readonly attempt: number;
  /** The other events before this offset were tried once. */
  readonly until: number;
}

/** The functions by which a member of a group loads and commits offsets. */
export interface Offsets {
  /**
   * Loads the next offset of each assigned partition, by {@link partitionKey}. Seeks the consumer if it would begin elsewhere.
   * @param isCurrent false after a new assignment, which makes this result useless
   * @throws an error of kafkajs
   */
  load(
    consumer: Consumer,
    assignment: IMemberAssignment,
    isCurrent: () => boolean,
  ): Promise<Map<string, CommittedOffset>>;
  /** Commits an offset. @throws an error of kafkajs if the member is no longer in the group: then nothing is committed */
  save(payload: EachBatchPayload, offset: CommittedOffset): Promise<void>;
}

/** A partition of a topic as the key of a map. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/** The interval at which a member of a new group checks whether the others have committed their offsets. */
const OTHERS_MS = 20;

/**
 * Offsets that outlive the members, with the number of attempts as their metadata. A new group begins at the end: each member
 * commits the end of its own partitions and waits until the others have done the same. From then on the group has an offset on
 * every partition.
 */
export function brokerOffsets(admin: Admin, groupId: string): Offsets {
  return {
    async load(consumer, assignment, isCurrent) {
      const topics = Object.keys(assignment);
      const isMine = (topic: string, partition: number) => assignment[topic]?.includes(partition) ?? false;
      const offsets = new Map<string, CommittedOffset>();
      const news: { topic: string; partition: number; offset: string }[] = [];
      let committed = await admin.fetchOffsets({ groupId, topics });
      for (const { topic, partitions } of committed) {
        const mine = partitions.filter(({ partition }) => isMine(topic, partition));
        // kafkajs commits -2, the earliest offset, if retention has removed events that the group had not read.
        const missing = mine.some(({ offset }) => Number(offset) < 0);
        const ends = missing ? await offsetsOf(admin, topic) : [];
        for (const { partition, offset, metadata } of mine) {
          let at = offset;
          if (Number(offset) < 0) {
            const end = ends.find((there) => there.partition === partition)!;
            at = Number(offset) === -1 ? end.high : end.low;
            news.push({ topic, partition, offset: at });
          }
          offsets.set(partitionKey(topic, partition), withTried(Number(at), metadata));
        }
      }
      if (news.length > 0) await consumer.commitOffsets(news);
      for (const begin of news) consumer.seek(begin);

      const othersMissing = () =>
        committed.some(({ topic, partitions }) =>
          partitions.some(({ partition, offset }) => offset === '-1' && !isMine(topic, partition)),
        );
      const isComplete = async () => {
        if (!othersMissing() || !isCurrent()) return true;
        committed = await admin.fetchOffsets({ groupId, topics });
        return false;
      };
      await until(isComplete, { everyMs: OTHERS_MS });
      return offsets;
    },
    async save({ batch: { topic, partition }, resolveOffset, commitOffsetsIfNecessary }, { offset, tried }) {
      const metadata = tried && `${tried.attempt} ${tried.until}`;
      const partitions = [{ partition, offset: String(offset), ...(metadata && { metadata }) }];
      await commitOffsetsIfNecessary({ topics: [{ topic, partitions }] });
      resolveOffset(String(offset - 1));
    },
  };
}

function withTried(offset: number, metadata: string | null): CommittedOffset {
  const [attempt, until] = (metadata ?? '').split(' ').map(Number);
  if (attempt === undefined || until === undefined || Number.isNaN(attempt + until)) return { offset };
  return { offset, tried: { attempt, until } };
}

/** Offsets in memory, for a group with one member. It begins at `start`, and a rebalance changes nothing. */
export class LocalOffsets implements Offsets {
  /** By {@link partitionKey}. */
  readonly #offsets = new Map<string, CommittedOffset>();
  readonly #start: ReadonlyMap<string, number>;

  /** @param start the first offset to read, by {@link partitionKey}; 0 for a missing partition */
  constructor(start: ReadonlyMap<string, number>) {
    this.#start = start;
  }

  /** The first offset that is not handled. */
  at(topic: string, partition: number): number {
    const key = partitionKey(topic, partition);
    return this.#offsets.get(key)?.offset ?? this.#start.get(key) ?? 0;
  }

  async load(consumer: Consumer, assignment: IMemberAssignment): Promise<Map<string, CommittedOffset>> {
    const all = Object.entries(assignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition, offset: this.at(topic, partition) })),
    );
    for (const { topic, partition, offset } of all) consumer.seek({ topic, partition, offset: String(offset) });
    return new Map(
      all.map(({ topic, partition, offset }) => {
        const key = partitionKey(topic, partition);
        return [key, this.#offsets.get(key) ?? { offset }];
      }),
    );
  }

  async save({ batch: { topic, partition }, resolveOffset }: EachBatchPayload, to: CommittedOffset): Promise<void> {
    this.#offsets.set(partitionKey(topic, partition), to);
    resolveOffset(String(to.offset - 1));
  }
}
