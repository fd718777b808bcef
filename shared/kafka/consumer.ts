/**
 * One member of a consumer group on kafkajs. It adds to kafkajs: it loads the offsets before it hands out events, it sends
 * heartbeats while a batch is in hand, it never commits an offset of a partition that it has lost, and it replaces a consumer
 * that gave up.
 */

import type { Consumer, ConsumerGroupJoinEvent, EachBatchPayload, IMemberAssignment, KafkaMessage } from 'kafkajs';
import { retry } from '../clock/retry.ts';
import { type RepeatedFault, repeatedFault } from '../log-repeats.ts';
import { assigner } from './assigner.ts';
import type { KafkaClient } from './client.ts';
import { type CommittedOffset, type Offsets, partitionKey } from './offsets.ts';
import type { Peers } from './peers.ts';
import { whenKnown } from './topics.ts';

/** The topics of a consumer, and the handler of its events. */
export interface ConsumerParts {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** True: one member has all partitions. */
  readonly exclusive?: boolean;
  readonly offsets: Offsets;
  /** Logs which members join and leave. Absent: the group has this member only. */
  readonly peers?: Peers | undefined;
  /**
   * Called with the member's partitions after each assignment that changes them, or after which another member may have had them
   * in between, and before any event of a new one is handed out.
   */
  readonly assigned?: ((partitions: readonly number[]) => void) | undefined;
  /** Handles the fetched messages of one partition. One call at a time. If it throws, the batch is delivered again. */
  readonly handle: (fetched: Fetched) => Promise<void>;
}

/** The fetched messages of one partition, in order. */
export interface Fetched {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly KafkaMessage[];
  /** The committed offset at the time of the fetch. */
  readonly committed: CommittedOffset | undefined;
  /** The offset after the last of the messages. */
  readonly end: number;
  /** False: the handler has to commit the offset and stop. */
  goOn(): boolean;
  /** Commits an offset. @throws if the partition may belong to another member: then nothing is committed */
  save(offset: CommittedOffset): Promise<void>;
}

/** The period from one assignment of partitions to the next. */
interface Generation {
  readonly assignment: IMemberAssignment;
  readonly offsets: Promise<Map<string, CommittedOffset>>;
  /** The error that ended the generation; absent while it lasts. */
  over?: unknown;
}

/** A member's id and assignment after it has joined. */
type Joined = ConsumerGroupJoinEvent['payload'];

/** The brokers' errors that tell a member to join again. kafkajs joins again when it catches one. */
const MUST_REJOIN = ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'NOT_COORDINATOR_FOR_GROUP'];
/** The pause before another attempt to load the offsets. */
const LOAD_AGAIN_MS = 500;
/** The pause before a consumer that gave up is replaced. */
const ANEW_MS = 1_000;
/** The most time for a join, besides the wait for other members' batches. */
const JOIN_MS = 30_000;
/**
 * The size of one fetch from one partition: some 10,000 locations. After an outage these are one batch, in which a VM has several
 * events. A larger batch causes fewer writes of the VM's state.
 */
const MOST_FETCHED_BYTES = 4_000_000;
/** The longest wait of a fetch for events. The wait delays heartbeats. */
const MAX_FETCH_WAIT_MS = 250;

/** A member of a group, from `start` to `stop`. */
export class GroupConsumer {
  readonly #client: KafkaClient;
  readonly #parts: ConsumerParts;
  readonly #joined = Promise.withResolvers<void>();
  #consumer: Consumer;
  #generation: Generation | undefined;
  #held: readonly number[] = [];
  #told: string | undefined;
  readonly #gaveUp: RepeatedFault | undefined;
  readonly #unplaced: RepeatedFault | undefined;
  #stopping: Promise<void> | undefined;
  #anew: NodeJS.Timeout | undefined;

  constructor(client: KafkaClient, parts: ConsumerParts) {
    this.#client = client;
    this.#parts = parts;
    const { log } = client;
    this.#gaveUp = log && repeatedFault(log, 'a consumer gave up; it is made anew', 'warn');
    this.#unplaced = log && repeatedFault(log, 'the places of a group are not known yet', 'warn');
    this.#consumer = this.#create();
    // A member may be stopped before it has joined: then no caller awaits this promise.
    this.#joined.promise.catch(() => {});
  }

  /** Resolves when the member has joined and has loaded its offsets. @throws if that takes too long */
  async start(): Promise<void> {
    const { rebalanceTimeoutMs } = this.#client.timing;
    const late = setTimeout(
      () => this.#joined.reject(new Error(`not in group ${this.#parts.groupId} in time`)),
      rebalanceTimeoutMs + JOIN_MS,
    );
    try {
      await this.#run(this.#consumer);
      await this.#joined.promise;
    } catch (error) {
      await this.stop();
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  /** Resolves when the batch in hand is done, and the member has left its group. */
  stop(): Promise<void> {
    this.#stopping ??= this.#leave();
    return this.#stopping;
  }

  async #leave(): Promise<void> {
    clearTimeout(this.#anew);
    this.#joined.reject(new Error(`group ${this.#parts.groupId} was left before it was joined`));
    // kafkajs may be restarting by itself: an unreachable broker must not block the stop.
    await this.#consumer.disconnect().catch(() => {});
  }

  #create(): Consumer {
    const { sessionTimeoutMs, heartbeatMs, rebalanceTimeoutMs } = this.#client.timing;
    const consumer = this.#client.kafka().consumer({
      groupId: this.#parts.groupId,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: heartbeatMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      maxWaitTimeInMs: Math.min(heartbeatMs, MAX_FETCH_WAIT_MS),
      maxBytesPerPartition: MOST_FETCHED_BYTES,
      allowAutoTopicCreation: false,
      partitionAssigners: [assigner(this.#parts.exclusive ?? false, () => this.#held)],
      retry: { restartOnFailure: async () => this.#stopping === undefined },
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => this.#begin(consumer, payload));
    consumer.on(consumer.events.REQUEST_TIMEOUT, () => {
      this.#client.counters.requestTimeouts++;
    });
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      if (!payload.restart) this.#makeAnew(payload.error);
    });
    return consumer;
  }

  #makeAnew(why: unknown): void {
    if (this.#stopping !== undefined) return;
    this.#client.counters.consumersRecreated++;
    this.#gaveUp?.failed(why, { group: this.#parts.groupId });
    this.#anew = setTimeout(() => {
      const consumer = this.#create();
      this.#consumer = consumer;
      this.#run(consumer).catch(async (err) => {
        await consumer.disconnect().catch(() => {});
        this.#makeAnew(err);
      });
    }, ANEW_MS);
  }

  async #run(consumer: Consumer): Promise<void> {
    await consumer.connect();
    // If retention has removed events that the group had not read, it goes on with the earliest event.
    await whenKnown(() => consumer.subscribe({ topics: [...this.#parts.topics], fromBeginning: true }));
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 1,
      eachBatch: (payload) => this.#take(payload),
    });
  }

  /** Begins a generation. kafkajs fetches at once; the fetched messages wait in `#take` for the offsets. */
  #begin(consumer: Consumer, { memberId, memberAssignment: assignment }: Joined): void {
    const partitions = [...new Set(Object.values(assignment).flat())].sort((a, b) => a - b);
    this.#held = partitions;
    if (this.#generation !== undefined) this.#client.counters.rejoins++;
    const generation: Generation = { assignment, offsets: this.#load(consumer, assignment) };
    this.#generation = generation;
    generation.offsets.then(
      () => {
        if (this.#generation !== generation || this.#stopping !== undefined) return;
        // A new id means that the member was removed and has joined again: another member may have had its partitions in between.
        const told = `${memberId} ${partitions.join()}`;
        this.#gaveUp?.succeeded();
        if (this.#told !== told) this.#parts.assigned?.(partitions);
        this.#told = told;
        this.#joined.resolve();
        // If this fails, one log line is missing. The next change of members starts another look.
        this.#parts.peers?.look(memberId).catch(() => {});
      },
      () => {},
    );
  }

  /** Loads the offsets of an assignment. It retries until it has them, or the group has a new generation. */
  #load(consumer: Consumer, assignment: IMemberAssignment): Promise<Map<string, CommittedOffset>> {
    const isCurrent = () => this.#generation?.assignment === assignment && this.#stopping === undefined;
    const load = async () => {
      const offsets = await this.#parts.offsets.load(consumer, assignment, isCurrent);
      this.#unplaced?.succeeded();
      return offsets;
    };
    const isPassing = (err: unknown) => {
      this.#unplaced?.failed(err, { group: this.#parts.groupId });
      return true;
    };
    return retry(load, { everyMs: LOAD_AGAIN_MS, isPassing, goOn: isCurrent });
  }

  async #take(payload: EachBatchPayload): Promise<void> {
    const generation = this.#generation!;
    const { batch, isRunning, isStale } = payload;
    const offsets = await generation.offsets;
    // kafkajs hands out fetched messages even after it has learned of a rebalance.
    if (generation.over !== undefined) throw generation.over;
    if (generation !== this.#generation || !isRunning() || isStale()) return;

    const key = partitionKey(batch.topic, batch.partition);
    const beat = setInterval(() => {
      payload.heartbeat().catch((error) => this.#note(generation, error));
    }, this.#client.timing.heartbeatMs);
    try {
      await this.#parts.handle({
        topic: batch.topic,
        partition: batch.partition,
        messages: batch.messages,
        committed: offsets.get(key),
        end: Number(batch.lastOffset()) + 1,
        goOn: () => generation === this.#generation && generation.over === undefined && isRunning(),
        save: async (offset) => {
          // The brokers would accept the commit: they check the membership, not the owner of the partition.
          if (generation !== this.#generation) throw new Error(`${key} may have changed hands while it was in hand`);
          await this.#parts.offsets.save(payload, offset);
          offsets.set(key, offset);
        },
      });
    } catch (error) {
      this.#note(generation, error);
      throw error;
    } finally {
      clearInterval(beat);
    }
    if (generation.over !== undefined && generation === this.#generation) throw generation.over;
  }

  /** Ends the generation if an error tells the member to join again. Until it has joined, it can still commit. */
  #note(generation: Generation, error: unknown): void {
    const { type } = error as { type?: string };
    if (type === undefined || !MUST_REJOIN.includes(type)) return;
    generation.over ??= error;
    // The member was removed from the group: other members have its partitions, so it claims none of them.
    if (type === 'UNKNOWN_MEMBER_ID' && generation === this.#generation) this.#held = [];
  }
}
