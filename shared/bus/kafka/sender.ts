/**
 * Sends records in order, one request at a time: what comes while one is under way goes with the next. A request is
 * acknowledged when all replicas that are in sync have it, and tried again by an idempotent producer until then.
 *
 * A producer that gave up is thrown away: kafkajs takes its sequence numbers back, and the brokers would take other
 * records under the same numbers for repeats, acknowledge them and drop them.
 */
import { type Message, Partitioners, type Producer, type TopicMessages } from 'kafkajs';
import { type ErrorCode, TagalongError } from '../../errors.ts';
import { type KafkaClient, unreachable } from './client.ts';
import { placeKey } from './places.ts';

/** What one request holds at most for one partition: brokers take 1 MB. */
const MAX_BYTES = 900_000;
/** kafkajs sorts the records of a request in a time that grows with the square of their number. */
const MAX_RECORDS = 2_000;
/** What a record is besides its key and value: headers, and what they are told apart by. */
const OVERHEAD_BYTES = 500;
/** As often as our clients retry. Said because kafkajs overwrites its own default for idempotent producers with 5. */
const RETRIES = 30;

/** A record and where it goes. */
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

/** Which errors a sender throws. */
export interface SenderCodes {
  readonly unreachable: ErrorCode;
  readonly tooLong: ErrorCode;
}

/** Sends records of one bus or one store. */
export class Sender {
  readonly #client: KafkaClient;
  readonly #codes: SenderCodes;
  #producer: Promise<Producer> | undefined;
  #waiting: { readonly outgoing: Outgoing; readonly shipment: Shipment }[] = [];
  #sending: Promise<void> | undefined;

  constructor(client: KafkaClient, codes: SenderCodes) {
    this.#client = client;
    this.#codes = codes;
  }

  /** Connects, so that who cannot send learns it at once. */
  async open(): Promise<void> {
    await this.#connected();
  }

  /**
   * Resolves when all of the records are acknowledged.
   * @throws TagalongError by {@link SenderCodes}: too long, and none is sent; unreachable, and some may have been written
   */
  async send(records: readonly Outgoing[]): Promise<void> {
    const tooLong = records.find((outgoing) => bytesOf(outgoing) > MAX_BYTES);
    if (tooLong !== undefined) {
      const what = `a record of ${bytesOf(tooLong)} bytes for ${tooLong.topic}`;
      throw new TagalongError(this.#codes.tooLong, `${what}; it has to be less than ${MAX_BYTES}`);
    }
    if (records.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      const shipment: Shipment = { left: records.length, resolve, reject };
      for (const outgoing of records) this.#waiting.push({ outgoing, shipment });
      this.#sending ??= this.#sendAll();
    });
  }

  /** Resolves when what waits has been sent, or has failed. */
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
        const error = unreachable(this.#codes.unreachable, 'could not write', cause);
        // What waits fails as well: written without what came before, it would be out of order.
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
      const partition = placeKey(outgoing.topic, outgoing.record.partition!);
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
 * Resolves when each partition has answered. kafkajs asks each broker once: where a partition's leader was lost, and a broker
 * that has answered already leads it now, its records are left out without an error, and only its answer is missing.
 */
async function writeAll(producer: Producer, records: readonly Outgoing[]): Promise<void> {
  for (let left = records; left.length > 0; ) {
    const answers = await producer.sendBatch({ acks: -1, topicMessages: byTopic(left) });
    const answered = new Set(answers.map(({ topicName, partition }) => placeKey(topicName, partition)));
    left = left.filter(({ topic, record }) => !answered.has(placeKey(topic, record.partition!)));
  }
}

function bytesOf({ record }: Outgoing): number {
  return (record.value?.length ?? 0) + (record.key?.length ?? 0) + OVERHEAD_BYTES;
}

function byTopic(batch: readonly Outgoing[]): TopicMessages[] {
  const topics = Map.groupBy(batch, ({ topic }) => topic);
  return [...topics].map(([topic, outgoing]) => ({ topic, messages: outgoing.map(({ record }) => record) }));
}
