/** Where a group stands on each of its partitions: kept by the brokers for a group, by the member for its own. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Admin, Consumer, EachBatchPayload, IMemberAssignment } from 'kafkajs';
import { offsetsOf } from './topics.ts';

/** Everything before `offset` is handled. */
export interface CommittedOffset {
  readonly offset: number;
  /** Some of what follows was refused before. */
  readonly tried?: Tried;
}

/** How often the first event was tried; the others before `until` were tried once. */
export interface Tried {
  readonly attempt: number;
  readonly until: number;
}

/** The places of one group, as one member looks them up and writes them down. */
export interface Places {
  /**
   * Where to go on, on each partition that was assigned; the consumer is sent there if it would begin elsewhere.
   * @param isCurrent false when partitions were assigned anew: then nobody waits for the answer any more
   */
  load(
    consumer: Consumer,
    assignment: IMemberAssignment,
    isCurrent: () => boolean,
  ): Promise<Map<string, CommittedOffset>>;
  /** @throws an error of kafkajs where the member is none any more: nothing is written then */
  save(payload: EachBatchPayload, place: CommittedOffset): Promise<void>;
}

/** Names a partition of a topic. */
export function placeKey(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

/** How often it is asked whether the other members of a new group have their places. */
const OTHERS_MS = 20;

/**
 * Places that outlive the members: committed offsets, with the attempts as their metadata. A new group begins at the end:
 * each member commits the end of its own partitions, and waits for the others to have done so. Only then has the group
 * its place on all of them, and keeps it from then on.
 */
export function committedPlaces(admin: Admin, groupId: string): Places {
  return {
    async load(consumer, assignment, isCurrent) {
      const topics = Object.keys(assignment);
      const isMine = (topic: string, partition: number) => assignment[topic]?.includes(partition) ?? false;
      const places = new Map<string, CommittedOffset>();
      const news: { topic: string; partition: number; offset: string }[] = [];
      let committed = await admin.fetchOffsets({ groupId, topics });
      for (const { topic, partitions } of committed) {
        const mine = partitions.filter(({ partition }) => isMine(topic, partition));
        // kafkajs writes -2, the earliest there is, where events were gone before the group came for them.
        const missing = mine.some(({ offset }) => Number(offset) < 0);
        const ends = missing ? await offsetsOf(admin, topic) : [];
        for (const { partition, offset, metadata } of mine) {
          let at = offset;
          if (Number(offset) < 0) {
            const end = ends.find((there) => there.partition === partition)!;
            at = Number(offset) === -1 ? end.high : end.low;
            news.push({ topic, partition, offset: at });
          }
          places.set(placeKey(topic, partition), withTried(Number(at), metadata));
        }
      }
      if (news.length > 0) await consumer.commitOffsets(news);
      for (const place of news) consumer.seek(place);

      const othersMissing = () =>
        committed.some(({ topic, partitions }) =>
          partitions.some(({ partition, offset }) => offset === '-1' && !isMine(topic, partition)),
        );
      while (othersMissing() && isCurrent()) {
        await sleep(OTHERS_MS);
        committed = await admin.fetchOffsets({ groupId, topics });
      }
      return places;
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

/** Places that end with the member: it begins where `start` says, and a rebalance changes nothing. */
export class OwnPlaces implements Places {
  /** By {@link placeKey}. */
  readonly #places = new Map<string, CommittedOffset>();
  readonly #start: ReadonlyMap<string, number>;

  /** @param start the first offset to read, by {@link placeKey} */
  constructor(start: ReadonlyMap<string, number>) {
    this.#start = start;
  }

  /** The first offset that is not handled yet. */
  at(topic: string, partition: number): number {
    const key = placeKey(topic, partition);
    return this.#places.get(key)?.offset ?? this.#start.get(key) ?? 0;
  }

  async load(consumer: Consumer, assignment: IMemberAssignment): Promise<Map<string, CommittedOffset>> {
    const all = Object.entries(assignment).flatMap(([topic, partitions]) =>
      partitions.map((partition) => ({ topic, partition, offset: this.at(topic, partition) })),
    );
    for (const { topic, partition, offset } of all) consumer.seek({ topic, partition, offset: String(offset) });
    return new Map(
      all.map(({ topic, partition, offset }) => {
        const key = placeKey(topic, partition);
        return [key, this.#places.get(key) ?? { offset }];
      }),
    );
  }

  async save({ batch: { topic, partition }, resolveOffset }: EachBatchPayload, place: CommittedOffset): Promise<void> {
    this.#places.set(placeKey(topic, partition), place);
    resolveOffset(String(place.offset - 1));
  }
}
