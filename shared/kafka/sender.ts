/**
 * Sends records in order, one request at a time: records that arrive while one is under way go with the next. A request is
 * acknowledged when all in-sync replicas have it, and an idempotent producer repeats it until then.
 *
 * A producer that gave up is replaced. kafkajs would reuse its sequence numbers for other records. The brokers would take those
 * for repeats, acknowledge them and drop them.
 */
import { type Message, Partitioners, type Producer, type TopicMessages } from 'kafkajs';
import { TagalongError } from '../errors.ts';
import { type KafkaClient, unreachable } from './client.ts';
import { partitionKey } from './offsets.ts';

/** The most bytes of one request for one partition: brokers accept 1 MB. */
const MAX_BYTES = 900_000;
/** The most records of one request: kafkajs sorts them in a time that grows with the square of their number. */
const MAX_RECORDS = 2_000;
/** The bytes of a record besides its key and value: headers and framing. */
const OVERHEAD_BYTES = 500;
/** The same number as in the client's options, which kafkajs overwrites with 5 for idempotent producers. */
const RETRIES = 30;

/** A record and its destination. */
export interface Outgoing {
  readonly topic: string;
  readonly record: Message;
}

/** One call of `send`. */
interface Shipment {
  left: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** The error code for a record that is too long, of a bus and of a store. */
export type TooLongCode = 'EVENT_INVALID' | 'RECORD_TOO_LONG';

/** Sends records of one bus or one store. */
export class Sender {
  readonly #client: KafkaClient;
  readonly #tooLong: TooLongCode;
  #producer: Promise<Producer> | undefined;
  #waiting: { readonly outgoing: Outgoing; readonly shipment: Shipment }[] = [];
  #sending: Promise<void> | undefined;

  constructor(client: KafkaClient, tooLong: TooLongCode) {
    this.#client = client;
    this.#tooLong = tooLong;
  }

  /** Connects, so that an error occurs at once and not with the first record. @throws an error of kafkajs */
  async open(): Promise<void> {
    await this.#connected();
  }

  /**
   * Resolves when all of the records are acknowledged.
   * @throws TagalongError with the code for a record that is too long: then no record is sent. `unreachable` of the client's role:
   * then some records may have been written
   */
  async send(records: readonly Outgoing[]): Promise<void> {
    const tooLong = records.find((outgoing) => bytesOf(outgoing) > MAX_BYTES);
    if (tooLong !== undefined) {
      const what = `a record for ${tooLong.topic} has ${bytesOf(tooLong)} bytes`;
      throw new TagalongError(this.#tooLong, `${what}; at most ${MAX_BYTES} are allowed`);
    }
    if (records.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      const shipment: Shipment = { left: records.length, resolve, reject };
      for (const outgoing of records) this.#waiting.push({ outgoing, shipment });
      this.#sending ??= this.#sendAll();
    });
  }

  /** Resolves when all waiting records have been sent, or have failed. */
  async close(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
    const producer = await this.#producer?.catch(() => undefined);
    await producer?.disconnect();
  }

  async #sendAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      const records = batch.map(({ outgoing }) => outgoing);
      try {
        await writeAll(await this.#connected(), records);
        for (const { shipment } of batch) if (--shipment.left === 0) shipment.resolve();
      } catch (cause) {
        const error = unreachable(this.#client.role, 'could not write', cause);
        // The waiting records fail as well: they would be out of order without their predecessors.
        for (const { shipment } of [...batch, ...this.#waiting.splice(0)]) shipment.reject(error);
        await this.#throwAway();
      }
    }
    this.#sending = undefined;
  }

  #take() {
    const bytes = new Map<string, number>();
    let n = 0;
    while (n < Math.min(this.#waiting.length, MAX_RECORDS)) {
      const { outgoing } = this.#waiting[n]!;
      const partition = partitionKey(outgoing.topic, outgoing.record.partition!);
      const sum = (bytes.get(partition) ?? 0) + bytesOf(outgoing);
      if (n > 0 && sum > MAX_BYTES) break;
      bytes.set(partition, sum);
      n++;
    }
    return this.#waiting.splice(0, n);
  }

  #connected(): Promise<Producer> {
    this.#producer ??= this.#connect();
    return this.#producer;
  }

  async #connect(): Promise<Producer> {
    const producer = this.#client.kafka().producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: { retries: RETRIES },
    });
    producer.on(producer.events.REQUEST_TIMEOUT, () => {
      this.#client.counters.requestTimeouts++;
    });
    await producer.connect();
    return producer;
  }

  async #throwAway(): Promise<void> {
    const producer = this.#producer;
    this.#producer = undefined;
    this.#client.counters.producersRecreated++;
    await producer?.then((old) => old.disconnect()).catch(() => {});
  }
}

/**
 * Resolves when each partition has answered. kafkajs sends each broker one request. If a partition's leader is lost, and the new
 * leader has already answered for its other partitions, kafkajs drops the partition's records without an error. Only the missing
 * answer of the partition reveals that.
 */
async function writeAll(producer: Producer, records: readonly Outgoing[]): Promise<void> {
  for (let left = records; left.length > 0; ) {
    const answers = await producer.sendBatch({ acks: -1, topicMessages: byTopic(left) });
    const answered = new Set(answers.map(({ topicName, partition }) => partitionKey(topicName, partition)));
    left = left.filter(({ topic, record }) => !answered.has(partitionKey(topic, record.partition!)));
  }
}

function bytesOf({ record }: Outgoing): number {
  return (record.value?.length ?? 0) + (record.key?.length ?? 0) + OVERHEAD_BYTES;
}

function byTopic(batch: readonly Outgoing[]): TopicMessages[] {
  const topics = Map.groupBy(batch, ({ topic }) => topic);
  return [...topics].map(([topic, outgoing]) => ({ topic, messages: outgoing.map(({ record }) => record) }));
}
