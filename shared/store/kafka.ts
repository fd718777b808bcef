/**
 * The store on Apache Kafka: one compacted topic with one partition. `open` reads the topic to its end; after that, new records are
 * read as they arrive. claims.ts explains compare-and-set. shared/bus/kafka/README.md explains why compaction is safe.
 */
import { randomUUID } from 'node:crypto';
import { STORE_ROLE } from '../connection/role.ts';
import type { ConnectionWatch } from '../connection/watch.ts';
import { TagalongError } from '../errors.ts';
import { connectKafka, type KafkaClient, unreachable, watchTopics } from '../kafka/client.ts';
import type { KafkaOptions } from '../kafka/options.ts';
import { type Outgoing, Sender } from '../kafka/sender.ts';
import { ensureTopics, topicConfig } from '../kafka/topics.ts';
import { Claims, type Judgement } from './claims.ts';
import { ClaimLog, toRecord, toTombstone } from './kafka-log.ts';
import { MAX_RECORD_BYTES, parseRecord, type Store, type Stored, textOf, type Write } from './store.ts';

/** Compaction leaves claims alone for this long, so a slow reader still finds them. Reading fails after a far shorter delay. */
const MIN_COMPACTION_LAG_MS = 3_600_000;
/** Tombstones are sent with the next write, or after this time. */
const SWEEP_MS = 1_000;

/**
 * Opens the store: creates its topic if necessary, and reads it to its end.
 * @throws TagalongError STORE_UNREACHABLE if no broker answers, or none accepts the credentials; STORE_UNFIT if the topic has more
 * than one partition, or cannot be created
 */
export async function kafkaStore(options: KafkaOptions): Promise<Store> {
  const client = await connectKafka(options, STORE_ROLE);
  const topic = `${client.prefix}.store`;
  const wanted = topicConfig(topic, 1, options, {
    'cleanup.policy': 'compact',
    'min.compaction.lag.ms': MIN_COMPACTION_LAG_MS,
    'segment.bytes': 33_554_432,
  });
  const store = new KafkaStore(client, topic);
  try {
    await ensureTopics(client, [wanted]);
    await store.open();
  } catch (error) {
    await store.close();
    throw error instanceof TagalongError ? error : unreachable(STORE_ROLE, 'could not open the store', error);
  }
  return store;
}

class KafkaStore implements Store {
  readonly maxRecordBytes = MAX_RECORD_BYTES;
  readonly #client: KafkaClient;
  readonly #topic: string;
  readonly #claims = new Claims();
  readonly #log: ClaimLog;
  readonly #sender: Sender;
  /** The part of a claim id that names this process. */
  readonly #writer = randomUUID();
  #claimed = 0;
  /** The ids of claims that wait for their tombstones. */
  #obsolete: string[] = [];
  #sweeping: NodeJS.Timeout | undefined;
  #watch: ConnectionWatch | undefined;

  constructor(client: KafkaClient, topic: string) {
    this.#client = client;
    this.#topic = topic;
    this.#sender = new Sender(client, 'RECORD_TOO_LONG');
    this.#log = new ClaimLog(client, topic, (claim) => this.#claims.apply(claim));
  }

  async open(): Promise<void> {
    await this.#sender.open();
    await this.#log.open();
    this.#watch = watchTopics(this.#client, [this.#topic]);
    // Removes the claims of writers that died before they could do so.
    this.#sweep(this.#log.takeObsolete());
  }

  connected(): true | string {
    return this.#watch?.state ?? 'the store is not open';
  }

  async get<T>(key: string): Promise<Stored<T> | undefined> {
    await this.#log.readToEnd();
    return this.#read<T>(key);
  }

  async list<T>(prefix: string): Promise<Stored<T>[]> {
    await this.#log.readToEnd();
    return this.#claims.keys(prefix).map((key) => this.#read<T>(key)!);
  }

  async put(writes: readonly Write[]): Promise<number[]> {
    // The caller may have got a newer revision from another process than this reader has read so far.
    if (!writes.every((write) => this.#fits(write))) await this.#log.readToEnd();
    const claims = writes.map((write) => (this.#fits(write) ? this.#claim(write) : undefined));
    const made = claims.filter((claim) => claim !== undefined);
    const expected = this.#log.expect(made.map(({ id }) => id));
    const sweep = this.#obsolete.splice(0).map((id) => toTombstone(this.#topic, id));
    const records: Outgoing[] = [...sweep, ...made.map((claim) => toRecord(this.#topic, claim))];
    let judgements: Map<string, Judgement>;
    try {
      await this.#sender.send(records);
      judgements = await this.#log.judged(expected);
    } catch (error) {
      this.#log.forget(made.map(({ id }) => id));
      throw error;
    }
    this.#sweep([...judgements.values()].map(({ obsolete }) => obsolete).filter((id) => id !== undefined));
    const lost = writes.filter((_, i) => !(claims[i] && judgements.get(claims[i].id)!.won)).map(({ key }) => key);
    if (lost.length > 0) throw new TagalongError('STORE_CONFLICT', `another process wrote first: ${lost.join(', ')}`);
    return claims.map((claim) => claim!.version);
  }

  async close(): Promise<void> {
    this.#watch?.close();
    clearTimeout(this.#sweeping);
    this.#sweeping = undefined;
    await this.#sendTombstones();
    await this.#log.close();
    await this.#sender.close();
    await this.#client.close();
  }

  #read<T>(key: string): Stored<T> | undefined {
    const record = this.#claims.get(key);
    return record && { key, value: parseRecord<T>(record.text), revision: record.version };
  }

  #fits({ key, revision }: Write): boolean {
    return (this.#claims.get(key)?.version ?? 0) === revision;
  }

  #claim(write: Write) {
    const { key } = write;
    const version = this.#claims.version(key) + 1;
    const id = `${key}@${version}@${this.#writer}.${this.#claimed++}`;
    return { id, key, version, text: textOf(write) };
  }

  /** Schedules the tombstones of these claims. */
  #sweep(obsolete: readonly string[]): void {
    // One by one: after an outage there may be more than a function call can take as arguments.
    for (const id of obsolete) this.#obsolete.push(id);
    if (this.#obsolete.length === 0) return;
    this.#sweeping ??= setTimeout(() => {
      this.#sweeping = undefined;
      void this.#sendTombstones();
    }, SWEEP_MS);
  }

  async #sendTombstones(): Promise<void> {
    const tombstones = this.#obsolete.splice(0).map((id) => toTombstone(this.#topic, id));
    // If this fails, the next process that opens the store removes these claims.
    await this.#sender
      .send(tombstones)
      .catch((err) => this.#client.log?.warn({ err }, 'old versions were left in the store'));
  }
}
