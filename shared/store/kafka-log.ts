/** The log of claims on its topic: how a claim is written there, and who reads them as they come. */
import { randomUUID } from 'node:crypto';
import type { KafkaMessage } from 'kafkajs';
import { type KafkaClient, unreachable } from '../bus/kafka/client.ts';
import { type Fetched, GroupConsumer } from '../bus/kafka/consumer.ts';
import { groupIdOf } from '../bus/kafka/lag.ts';
import { OwnPlaces } from '../bus/kafka/places.ts';
import type { Outgoing } from '../bus/kafka/sender.ts';
import { offsetsOf } from '../bus/kafka/topics.ts';
import { TagalongError } from '../errors.ts';
import type { Claim, Judgement } from './claims.ts';

/** Longer behind the end than this is as good as not reading. */
const READ_WITHIN_MS = 30_000;
/** A topic that is read for the first time may be long. */
const OPEN_WITHIN_MS = 600_000;

/** A claim as a record: its id is the key, so that compaction takes it for the same as nothing else. */
export function toRecord(topic: string, { id, key, version, text }: Claim): Outgoing {
  const headers = { key, version: String(version), ...(text === undefined && { deleted: 'true' }) };
  return { topic, record: { key: id, partition: 0, headers, value: Buffer.from(text ?? '') } };
}

/** Lets compaction remove a claim. */
export function toTombstone(topic: string, id: string): Outgoing {
  return { topic, record: { key: id, partition: 0, value: null } };
}

/** The claim in a record; undefined where there is none: a tombstone, or what others may have put there. */
function toClaim({ key: id, headers, value }: KafkaMessage): Claim | undefined {
  const version = Number(headers?.version?.toString());
  const key = headers?.key?.toString();
  if (value === null || id === null || key === undefined || !Number.isSafeInteger(version) || version < 1)
    return undefined;
  return { id: id.toString(), key, version, text: headers?.deleted ? undefined : value.toString() };
}

/** Reads claims in order, and tells those who made one what it came to. */
export class ClaimLog {
  readonly #client: KafkaClient;
  readonly #topic: string;
  readonly #take: (claim: Claim) => Judgement;
  readonly #consumer: GroupConsumer;
  /** Everything before this offset was read. */
  #readTo = 0;
  #waiting: { readonly end: number; resolve(): void }[] = [];
  readonly #claimants = new Map<string, (judgement: Judgement) => void>();
  #needless: string[] | undefined = [];
  readonly #end = shared(() => this.#askForEnd());

  constructor(client: KafkaClient, topic: string, take: (claim: Claim) => Judgement) {
    this.#client = client;
    this.#topic = topic;
    this.#take = take;
    this.#consumer = new GroupConsumer(client, {
      groupId: `${groupIdOf(client.prefix, 'store')}/${randomUUID()}`,
      topics: [topic],
      places: new OwnPlaces(new Map()),
      handle: (fetched) => this.#read(fetched),
    });
  }

  /** Reads all that is there. */
  async open(): Promise<void> {
    await this.#consumer.start();
    await this.readToEnd(OPEN_WITHIN_MS);
  }

  /** What was not needed any more of what `open` read. Afterwards only who made a claim is told. */
  takeNeedless(): string[] {
    const needless = this.#needless ?? [];
    this.#needless = undefined;
    return needless;
  }

  /**
   * Resolves when everything that was acknowledged before the call has been read.
   * @throws TagalongError STORE_UNREACHABLE
   */
  async readToEnd(withinMs = READ_WITHIN_MS): Promise<void> {
    const end = await this.#end();
    if (this.#readTo >= end) return;
    const read = new Promise<void>((resolve) => this.#waiting.push({ end, resolve }));
    await inTime(read, withinMs);
  }

  /** What claims will come to, by their ids. Ask before they are sent. */
  expect(ids: readonly string[]): Promise<Map<string, Judgement>> {
    const one = (id: string) =>
      new Promise<[string, Judgement]>((resolve) => {
        this.#claimants.set(id, (judgement) => resolve([id, judgement]));
      });
    return Promise.all(ids.map(one)).then((judged) => new Map(judged));
  }

  /** Waits for what was expected, of claims that have been sent. @throws TagalongError STORE_UNREACHABLE */
  async judged(expected: Promise<Map<string, Judgement>>): Promise<Map<string, Judgement>> {
    return inTime(expected, READ_WITHIN_MS);
  }

  /** Claims of which nobody waits to hear any more. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.#claimants.delete(id);
  }

  close(): Promise<void> {
    return this.#consumer.stop();
  }

  async #askForEnd(): Promise<number> {
    try {
      const [partition] = await offsetsOf(this.#client.admin, this.#topic);
      return Number(partition!.high);
    } catch (cause) {
      throw unreachable('STORE_UNREACHABLE', 'could not ask for the end of the store', cause);
    }
  }

  async #read({ messages, end, save }: Fetched): Promise<void> {
    for (const message of messages) {
      if (Number(message.offset) < this.#readTo) continue;
      const claim = toClaim(message);
      if (claim === undefined) continue;
      const judgement = this.#take(claim);
      this.#claimants.get(claim.id)?.(judgement);
      this.#claimants.delete(claim.id);
      if (judgement.needless !== undefined) this.#needless?.push(judgement.needless);
    }
    this.#readTo = Math.max(this.#readTo, end);
    for (const waiting of this.#waiting) if (waiting.end <= this.#readTo) waiting.resolve();
    this.#waiting = this.#waiting.filter((waiting) => waiting.end > this.#readTo);
    await save({ offset: end });
  }
}

/** One question at a time. Who asks meanwhile shares the next one, which begins after they have asked. */
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
