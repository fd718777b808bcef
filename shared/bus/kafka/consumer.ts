/**
 * One member of a consumer group on kafkajs, with what kafkajs leaves open: the places are known before anything is
 * handed out, the member is kept alive while a batch is in hand, what was lost while it was in hand is not written down,
 * and a consumer that gave up is made anew.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Consumer, ConsumerGroupJoinEvent, EachBatchPayload, IMemberAssignment, KafkaMessage } from 'kafkajs';
import { type RepeatedFault, repeatedFault } from '../../log-repeats.ts';
import { assigner } from './assigner.ts';
import type { KafkaClient } from './client.ts';
import type { Company } from './company.ts';
import { type CommittedOffset, type Places, placeKey } from './places.ts';
import { whenKnown } from './topics.ts';

/** What a consumer is for. */
export interface ConsumerParts {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** True: one member has all partitions. */
  readonly exclusive?: boolean;
  readonly places: Places;
  /** Says who else is in the group. Absent: the group is this process's own. */
  readonly company?: Company | undefined;
  /**
   * Told the member's partitions whenever they change, or may have been another's in between, before anything of a new one
   * is handed out.
   */
  readonly assigned?: ((partitions: readonly number[]) => void) | undefined;
  /** Takes what was fetched of one partition. One call at a time. */
  readonly handle: (fetched: Fetched) => Promise<void>;
}

/** What was fetched of one partition, in order. */
export interface Fetched {
  readonly topic: string;
  readonly partition: number;
  readonly messages: readonly KafkaMessage[];
  /** Where the group stood when this was fetched. */
  readonly place: CommittedOffset | undefined;
  /** The offset after the last of the messages. */
  readonly end: number;
  /** False: write down how far it is, and hand out no more. */
  goOn(): boolean;
  /** Writes down how far it is. @throws where the partition is no longer this member's: it does not count */
  save(place: CommittedOffset): Promise<void>;
}

/** From one assignment of partitions to the next. */
interface Generation {
  readonly assignment: IMemberAssignment;
  readonly places: Promise<Map<string, CommittedOffset>>;
  /** Why it is over, where it is. */
  over?: unknown;
}

/** As whom, and with what, a member takes part from now on. */
type Joined = ConsumerGroupJoinEvent['payload'];

/** What brokers answer to a member that has to join again; kafkajs makes it do so when it is thrown. */
const MUST_REJOIN = ['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'NOT_COORDINATOR_FOR_GROUP'];
/** Before places that could not be looked up are looked up again. */
const LOOK_UP_AGAIN_MS = 500;
/** Before a consumer that kafkajs gave up for good is made anew. */
const ANEW_MS = 1_000;
/** Beyond the longest wait for others' batches: what joining itself may take. */
const JOIN_MS = 30_000;
/**
 * Of one partition at once, some 10,000 locations. After an outage they are one batch, in which a VM has several: the more
 * there are, the seldomer its state is written.
 */
const MOST_FETCHED_BYTES = 4_000_000;
/** A fetch that waits for events holds heartbeats up. */
const MAX_FETCH_WAIT_MS = 250;

/** A member of a group, from `start` to `stop`. */
export class GroupConsumer {
  readonly #client: KafkaClient;
  readonly #parts: ConsumerParts;
  readonly #joined = Promise.withResolvers<void>();
  #consumer: Consumer;
  #term: Generation | undefined;
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
    // Who stops it before it has joined need not have waited for that.
    this.#joined.promise.catch(() => {});
  }

  /** Resolves when the member has joined and knows its partitions and places. */
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

  /** Resolves when what is in hand is done, and the group has been left. */
  stop(): Promise<void> {
    this.#stopping ??= this.#leave();
    return this.#stopping;
  }

  async #leave(): Promise<void> {
    clearTimeout(this.#anew);
    this.#joined.reject(new Error(`group ${this.#parts.groupId} was left before it was joined`));
    // kafkajs may be in the middle of a restart of its own: a broker that is away must not keep us.
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
    // What is no longer there is no reason to skip what is: after a gap it goes on with the earliest.
    await whenKnown(() => consumer.subscribe({ topics: [...this.#parts.topics], fromBeginning: true }));
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 1,
      eachBatch: (payload) => this.#take(payload),
    });
  }

  /** New partitions. kafkajs goes on to fetch at once; what it fetches waits in `#take` for the places. */
  #begin(consumer: Consumer, { memberId, memberAssignment: assignment }: Joined): void {
    const partitions = [...new Set(Object.values(assignment).flat())].sort((a, b) => a - b);
    this.#held = partitions;
    if (this.#term !== undefined) this.#client.counters.rejoins++;
    const term: Generation = { assignment, places: this.#lookUp(consumer, assignment) };
    this.#term = term;
    term.places.then(
      () => {
        if (this.#term !== term || this.#stopping !== undefined) return;
        // Who has another id was put out: what it has again may have been another's in between.
        const told = `${memberId} ${partitions.join()}`;
        this.#gaveUp?.succeeded();
        if (this.#told !== told) this.#parts.assigned?.(partitions);
        this.#told = told;
        this.#joined.resolve();
        // A look that fails is a line less: the next change of members has one of its own.
        this.#parts.company?.look(memberId).catch(() => {});
      },
      () => {},
    );
  }

  /** Tries until it has them, or the group has come together anew: then they are no longer asked for. */
  async #lookUp(consumer: Consumer, assignment: IMemberAssignment): Promise<Map<string, CommittedOffset>> {
    const isCurrent = () => this.#term?.assignment === assignment && this.#stopping === undefined;
    for (;;) {
      try {
        const places = await this.#parts.places.load(consumer, assignment, isCurrent);
        this.#unplaced?.succeeded();
        return places;
      } catch (err) {
        this.#unplaced?.failed(err, { group: this.#parts.groupId });
        await sleep(LOOK_UP_AGAIN_MS);
        if (!isCurrent()) throw err;
      }
    }
  }

  async #take(payload: EachBatchPayload): Promise<void> {
    const term = this.#term!;
    const { batch, isRunning, isStale } = payload;
    const places = await term.places;
    // kafkajs hands out the rest of what it had fetched also when the group is known to be rebalancing.
    if (term.over !== undefined) throw term.over;
    if (term !== this.#term || !isRunning() || isStale()) return;

    const key = placeKey(batch.topic, batch.partition);
    const beat = setInterval(() => {
      payload.heartbeat().catch((error) => this.#note(term, error));
    }, this.#client.timing.heartbeatMs);
    try {
      await this.#parts.handle({
        topic: batch.topic,
        partition: batch.partition,
        messages: batch.messages,
        place: places.get(key),
        end: Number(batch.lastOffset()) + 1,
        goOn: () => term === this.#term && term.over === undefined && isRunning(),
        save: async (place) => {
          // The brokers would take it: they ask whether one is a member, not whether the partition is one's own.
          if (term !== this.#term) throw new Error(`${key} may have changed hands while it was in hand`);
          await this.#parts.places.save(payload, place);
          places.set(key, place);
        },
      });
    } catch (error) {
      this.#note(term, error);
      throw error;
    } finally {
      clearInterval(beat);
    }
    if (term.over !== undefined && term === this.#term) throw term.over;
  }

  /** Whether an error means that the member has to join again. Until it has, it can still write down what it did. */
  #note(term: Generation, error: unknown): void {
    const { type } = error as { type?: string };
    if (type === undefined || !MUST_REJOIN.includes(type)) return;
    term.over ??= error;
    // It was put out of the group: others have its partitions, and it has no claim to them.
    if (type === 'UNKNOWN_MEMBER_ID' && term === this.#term) this.#held = [];
  }
}
