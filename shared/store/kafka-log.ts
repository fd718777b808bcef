/** The log of claims on a Kafka topic: how claims become Kafka records, and how they are read. */
import { randomUUID } from 'node:crypto';
import type { KafkaMessage } from 'kafkajs';
import { STORE_ROLE } from '../connection/role.ts';
import { TagalongError } from '../errors.ts';
import { groupIdOf, type KafkaClient, unreachable } from '../kafka/client.ts';
import { type Fetched, GroupConsumer } from '../kafka/consumer.ts';
import { LocalOffsets } from '../kafka/offsets.ts';
import type { Outgoing } from '../kafka/sender.ts';
import { offsetsOf } from '../kafka/topics.ts';
import type { Claim, Judgement } from './claims.ts';

/** A reader that needs longer than this to reach the end of the log counts as broken. */
const READ_WITHIN_MS = 30_000;
/** The limit of the first reading, which starts at the beginning of the topic. */
const OPEN_WITHIN_MS = 600_000;

/** A claim as a Kafka record. Its unique id is the record's key, so compaction keeps it until a tombstone follows. */
export function toRecord(topic: string, { id, key, version, text }: Claim): Outgoing {
  const headers = { key, version: String(version), ...(text === undefined && { deleted: 'true' }) };
  return { topic, record: { key: id, partition: 0, headers, value: Buffer.from(text ?? '') } };
}

/** The tombstone of a claim: compaction then removes the claim. */
export function toTombstone(topic: string, id: string): Outgoing {
  return { topic, record: { key: id, partition: 0, value: null } };
}

/** The claim in a record; undefined for a tombstone and for a foreign record. */
function toClaim({ key: id, headers, value }: KafkaMessage): Claim | undefined {
  const version = Number(headers?.version?.toString());
  const key = headers?.key?.toString();
  if (value === null || id === null || key === undefined || !Number.isSafeInteger(version) || version < 1)
    return undefined;
  return { id: id.toString(), key, version, text: headers?.deleted ? undefined : value.toString() };
}

/** Reads claims in order, and gives each writer the judgement of its claim. */
export class ClaimLog {
  readonly #client: KafkaClient;
  readonly #topic: string;
  readonly #apply: (claim: Claim) => Judgement;
  readonly #consumer: GroupConsumer;
  /** All records before this offset have been read. */
  #readTo = 0;
  #waiting: { readonly end: number; resolve(): void }[] = [];
  readonly #claimants = new Map<string, (judgement: Judgement) => void>();
  #obsolete: string[] | undefined = [];
  readonly #end = shared(() => this.#askForEnd());

  constructor(client: KafkaClient, topic: string, apply: (claim: Claim) => Judgement) {
    this.#client = client;
    this.#topic = topic;
    this.#apply = apply;
    this.#consumer = new GroupConsumer(client, {
      groupId: `${groupIdOf(client.prefix, 'store')}/${randomUUID()}`,
      topics: [topic],
      offsets: new LocalOffsets(new Map()),
      handle: (fetched) => this.#read(fetched),
    });
  }

  /** Reads the log to its present end. @throws TagalongError STORE_UNREACHABLE; errors of kafkajs */
  async open(): Promise<void> {
    await this.#consumer.start();
    await this.readToEnd(OPEN_WITHIN_MS);
  }

  /**
   * The ids of the removable claims that `open` has read. The second call returns none: from then on, each writer removes the claims
   * that its own judgements name.
   */
  takeObsolete(): string[] {
    const obsolete = this.#obsolete ?? [];
    this.#obsolete = undefined;
    return obsolete;
  }

  /**
   * Resolves when all claims that were acknowledged before the call have been read.
   * @throws TagalongError STORE_UNREACHABLE
   */
  async readToEnd(withinMs = READ_WITHIN_MS): Promise<void> {
    const end = await this.#end();
    if (this.#readTo >= end) return;
    const read = new Promise<void>((resolve) => this.#waiting.push({ end, resolve }));
    await inTime(read, withinMs);
  }

  /** Resolves with the judgements of these claims, by claim id. Call it before the claims are sent. */
  expect(ids: readonly string[]): Promise<Map<string, Judgement>> {
    const one = (id: string) =>
      new Promise<[string, Judgement]>((resolve) => {
        this.#claimants.set(id, (judgement) => resolve([id, judgement]));
      });
    return Promise.all(ids.map(one)).then((judged) => new Map(judged));
  }

  /** Waits up to 30 s for the result of {@link expect}. @throws TagalongError STORE_UNREACHABLE */
  async judged(expected: Promise<Map<string, Judgement>>): Promise<Map<string, Judgement>> {
    return inTime(expected, READ_WITHIN_MS);
  }

  /** Stops waiting for the judgements of these claims. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.#claimants.delete(id);
  }

  /** Stops reading. */
  close(): Promise<void> {
    return this.#consumer.stop();
  }

  async #askForEnd(): Promise<number> {
    try {
      const [partition] = await offsetsOf(this.#client.admin, this.#topic);
      return Number(partition!.high);
    } catch (cause) {
      throw unreachable(STORE_ROLE, 'could not ask for the end of the store', cause);
    }
  }

  async #read({ messages, end, save }: Fetched): Promise<void> {
    for (const message of messages) {
      if (Number(message.offset) < this.#readTo) continue;
      const claim = toClaim(message);
      if (claim === undefined) continue;
      const judgement = this.#apply(claim);
      this.#claimants.get(claim.id)?.(judgement);
      this.#claimants.delete(claim.id);
      if (judgement.obsolete !== undefined) this.#obsolete?.push(judgement.obsolete);
    }
    this.#readTo = Math.max(this.#readTo, end);
    for (const waiting of this.#waiting) if (waiting.end <= this.#readTo) waiting.resolve();
    this.#waiting = this.#waiting.filter((waiting) => waiting.end > this.#readTo);
    await save({ offset: end });
  }
}

/** Allows one request at a time. All calls during a request share the next one, so each caller's request begins after its call. */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | undefined;
  let next: Promise<T> | undefined;
  const begin = () => {
    next = undefined;
    asking = ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
  return () => {
    if (asking === undefined) return begin();
    next ??= asking.then(begin, begin);
    return next;
  };
}

async function inTime<T>(promise: Promise<T>, withinMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const what = `the store could not be read to its end within ${withinMs} ms`;
    reject(new TagalongError('STORE_UNREACHABLE', `${what}; check that the brokers run and can be reached`));
  }, withinMs);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
