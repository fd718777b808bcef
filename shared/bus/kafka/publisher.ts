/**
 * Publishes in order, one request at a time: what comes while one is under way goes with the next. A request is
 * acknowledged when all replicas that are in sync have it, and tried again by an idempotent producer until then.
 *
 * A producer that gave up is thrown away: kafkajs takes its sequence numbers back, and the brokers would take other
 * events under the same numbers for repeats, acknowledge them and drop them.
 */
import type { Message, Producer, TopicMessages } from 'kafkajs';
import { TagalongError } from '../../errors.ts';
import { check, type Event } from '../../events/index.ts';
import { type KafkaClient, unreachable } from './client.ts';
import { type Topics, topicOf } from './topics.ts';
import { toRecord } from './wire.ts';

/** What one request holds at most: a broker takes 1 MB for a partition, and all of it may be for one. */
const MAX_BYTES = 900_000;
/** kafkajs sorts the records of a request in a time that grows with the square of their number. */
const MAX_RECORDS = 2_000;
/** What a record is besides its value. */
const OVERHEAD_BYTES = 200;
/** A dozen seconds and more of attempts, longer where connecting takes time: a broker is restarted in less. */
const RETRIES = 20;

/** A record on its way. */
interface Waiting {
  readonly topic: string;
  readonly record: Message & { readonly value: Buffer };
  readonly publication: Publication;
}

/** One call of `publish`. */
interface Publication {
  left: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** An idempotent producer of kafkajs that tries long enough for a broker to be restarted. */
export function idempotentProducer(client: KafkaClient): Producer {
  return client.kafka().producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    // Said because it does not hold: kafkajs overwrites its own default for idempotent producers with 5.
    retry: { retries: RETRIES },
  });
}

/** What a bus publishes with. */
export class Publisher {
  readonly #client: KafkaClient;
  readonly #topics: Topics;
  readonly #partitions: number;
  #producer: Promise<Producer> | undefined;
  #waiting: Waiting[] = [];
  #sending: Promise<void> | undefined;

  constructor(client: KafkaClient, topics: Topics, partitions: number) {
    this.#client = client;
    this.#topics = topics;
    this.#partitions = partitions;
  }

  /**
   * Resolves when all of the events are acknowledged.
   * @throws TagalongError EVENT_INVALID, and none is published; BUS_UNREACHABLE, and some may have been
   */
  async publish(events: readonly Event[]): Promise<void> {
    if (events.length === 0) return;
    for (const event of events) check(event);
    const records = events.map((event) => toRecord(event, this.#partitions));
    const tooLong = records.find(({ value }) => value.length + OVERHEAD_BYTES > MAX_BYTES);
    if (tooLong) {
      throw new TagalongError(
        'EVENT_INVALID',
        `an event of ${tooLong.value.length} bytes; at most ${MAX_BYTES - OVERHEAD_BYTES} fit`,
      );
    }
    await new Promise<void>((resolve, reject) => {
      const publication: Publication = { left: records.length, resolve, reject };
      records.forEach((record, i) => {
        this.#waiting.push({ topic: topicOf(events[i]!.type, this.#topics), record, publication });
      });
      this.#sending ??= this.#send();
    });
  }

  /** Connects, so that who cannot publish learns it at once. */
  async open(): Promise<void> {
    await this.#connected();
  }

  /** Resolves when what waits has been sent, or has failed. */
  async close(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
    const producer = await this.#producer?.catch(() => undefined);
    await producer?.disconnect();
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      try {
        const producer = await this.#connected();
        await producer.sendBatch({ acks: -1, topicMessages: byTopic(batch) });
        for (const { publication } of batch) if (--publication.left === 0) publication.resolve();
      } catch (cause) {
        await this.#giveUp(batch, unreachable('BUS_UNREACHABLE', 'could not publish', cause));
      }
    }
    this.#sending = undefined;
  }

  #take(): Waiting[] {
    let bytes = 0;
    let n = 0;
    while (n < Math.min(this.#waiting.length, MAX_RECORDS)) {
      bytes += this.#waiting[n]!.record.value.length + OVERHEAD_BYTES;
      if (n > 0 && bytes > MAX_BYTES) break;
      n++;
    }
    return this.#waiting.splice(0, n);
  }

  /** What waits fails as well: published without what came before, it would be out of order. */
  async #giveUp(batch: readonly Waiting[], error: TagalongError): Promise<void> {
    for (const { publication } of [...batch, ...this.#waiting.splice(0)]) publication.reject(error);
    const producer = this.#producer;
    this.#producer = undefined;
    await producer?.then((old) => old.disconnect()).catch(() => {});
  }

  #connected(): Promise<Producer> {
    this.#producer ??= (async () => {
      const producer = idempotentProducer(this.#client);
      await producer.connect();
      return producer;
    })();
    return this.#producer;
  }
}

function byTopic(batch: readonly Waiting[]): TopicMessages[] {
  const topics = Map.groupBy(batch, ({ topic }) => topic);
  return [...topics].map(([topic, waiting]) => ({ topic, messages: waiting.map(({ record }) => record) }));
}
