/**
 * One member of a consumer group on kafkajs, with what kafkajs leaves open: offsets are known before anything is handed out,
 * heartbeats go on while a batch is in hand, the offset of a partition that was lost meanwhile is not committed, and a consumer
 * that gave up is made anew.
 */

import type { Consumer, ConsumerGroupJoinEvent, EachBatchPayload, IMemberAssignment, KafkaMessage } from 'kafkajs';
import { retry } from '../clock/retry.ts';
import { type RepeatedFault, repeatedFault } from '../log-repeats.ts';
import { assigner } from './assigner.ts';
import type { KafkaClient } from './client.ts';
import { type CommittedOffset, type Offsets, partitionKey } from './offsets.ts';
import type { Peers } from './peers.ts';
import { whenKnown } from './topics.ts';

/** What a consumer reads, and where it hands it. */
export interface ConsumerParts {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** True: one member has all partitions. */
  readonly exclusive?: boolean;
  readonly offsets: Offsets;
  /** Logs which members come and go. Absent: the group has this member only. */
  readonly peers?: Peers | undefined;
  /**
   * Called with the member's partitions after each assignment that changes them, or after which another member may have had them
   * in between, and before anything of a new one is handed out.
   */
  readonly assigned?: ((partitions: readonly number[]) => void) | undefined;
  /** Handles what was fetched of one partition. One call at a time. What it throws makes the batch come again. */
  readonly handle: (fetched: Fetched) => Promise<void>;
}

/** What was fetched of one partition, in order. */
export interface Fetched {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly KafkaMessage[];
  /** The committed offset when this was fetched. */
  readonly committed: CommittedOffset | undefined;
  /** The offset after the last of the messages. */
  readonly end: number;
  /** False: commit the offset, and hand out no more. */
  goOn(): boolean;
  /** Commits an offset. @throws where the partition may no longer be this member's: then nothing is committed */
  save(offset: CommittedOffset): Promise<void>;
}

/** From one assignment of partitions to the next. */
interface Generation {
  readonly assignment: IMemberAssignment;
  readonly offsets: Promise<Map<string, CommittedOffset>>;
  /** The error that ended it; absent while it lasts. */
  over?: unknown;
}

/** A member's id and assignment after it has joined. */
type Joined = ConsumerGroupJoinEvent['payload'];

/** The brokers' answers to a member that has to join again. kafkajs joins again when it catches one. */
const MUST_REJOIN = ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'NOT_COORDINATOR_FOR_GROUP'];
/** Before offsets that could not be loaded are asked for again. */
const LOAD_AGAIN_MS = 500;
/** Before a consumer is made anew that kafkajs has given up. */
const ANEW_MS = 1_000;
/** How long joining may take besides the wait for other members' batches. */
const JOIN_MS = 30_000;
/**
 * What is fetched of one partition at once: some 10,000 locations. After an outage they are one batch in which a VM has several
 * events. The larger the batch, the fewer writes of the VM's state.
 */
const MOST_FETCHED_BYTES = 4_000_000;
/** A fetch that waits for events delays heartbeats. */
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
    // A member may be stopped before it has joined: then nobody waits for this.
    this.#joined.promise.catch(() => {});
  }

  /** Resolves when the member has joined and knows its partitions and offsets. @throws where it has not in time */
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
    // kafkajs may be restarting by itself: a broker that is away must not hold us up.
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
    // Where events are gone that the group has not read, it goes on with the earliest that are there.
    await whenKnown(() => consumer.subscribe({ topics: [...this.#parts.topics], fromBeginning: true }));
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 1,
      eachBatch: (payload) => this.#take(payload),
    });
  }

  /** A new assignment. kafkajs fetches at once; what it fetches waits in `#take` for the offsets. */
  #begin(consumer: Consumer, { memberId, memberAssignment: assignment }: Joined): void {
    const partitions = [...new Set(Object.values(assignment).flat())].sort((a, b) => a - b);
    this.#held = partitions;
    if (this.#generation !== undefined) this.#client.counters.rejoins++;
    const generation: Generation = { assignment, offsets: this.#load(consumer, assignment) };
    this.#generation = generation;
    generation.offsets.then(
      () => {
        if (this.#generation !== generation || this.#stopping !== undefined) return;
        // With another id the member was removed and has joined anew: another member may have had its partitions in between.
        const told = `${memberId} ${partitions.join()}`;
        this.#gaveUp?.succeeded();
        if (this.#told !== told) this.#parts.assigned?.(partitions);
        this.#told = told;
        this.#joined.resolve();
        // A look that fails is a line less: the next change of members has one of its own.
        this.#parts.peers?.look(memberId).catch(() => {});
      },
      () => {},
    );
  }

  /** The offsets of an assignment; tries until it has them, or the group has a new generation. */
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
    // kafkajs goes on handing out what it had fetched when it knows already that the group rebalances.
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
          // The brokers would take it: they check the membership, not whose the partition is.
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

  /** Ends the generation where an error says that the member has to join again. Until it has, it can still commit. */
  #note(generation: Generation, error: unknown): void {
    const { type } = error as { type?: string };
    if (type === undefined || !MUST_REJOIN.includes(type)) return;
    generation.over ??= error;
    // The member was removed from the group: others have its partitions, and it asks for none of them.
    if (type === 'UNKNOWN_MEMBER_ID' && generation === this.#generation) this.#held = [];
  }
}
