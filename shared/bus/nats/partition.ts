import { setTimeout as pause } from 'node:timers/promises';
import { nuid } from 'nats';
import type { EventType } from '../../events/index.ts';
import type { Link } from '../../nats/connection.ts';
import { apiCode } from '../../nats/errors.ts';
import { PullConsumer } from '../../nats/pull-consumer.ts';
import { Inbox, type InboxOptions } from './inbox.ts';
import type { CommittedOffset, GroupMembership, StoredOffset } from './membership.ts';
import { consumerName, type Names } from './names.ts';

const CONSUMER_NOT_FOUND = 10014;
const NO_MESSAGE = 10037;
const RETRY_MS = 500;
/** Times of one message may differ by what a double rounds away of nanoseconds. */
const ROUNDED_MS = 1;
/** The interval at which a member that others may treat as dead checks whether its heartbeats arrive again. */
const SILENT_MS = 50;

/** The dependencies of a partition. */
export interface PartitionOptions extends Omit<InboxOptions, 'acknowledge'> {
  readonly link: Link;
  readonly membership: GroupMembership;
  /** The id of the member that takes the partition. */
  readonly member: string;
}

/**
 * The states of a partition. Legal changes:
 * - `reading` → `broken`: its consumer has or may have lost messages; a new consumer is made;
 * - `broken` → `reading`: the new consumer reads;
 * - `reading`, `broken` → `stopping`: its member releases it, after the batch in hand; final, unless it is lost;
 * - any → `lost`: another member owns it; final, and nothing is committed any more.
 */
type State = 'reading' | 'broken' | 'stopping' | 'lost';

/**
 * One partition that one member owns, from `take` to `release`. `take` makes a consumer that begins with the first message that
 * may not have been handled, and commits its name by compare-and-set. From then on an earlier owner's acknowledgements have no
 * effect, because they go to a consumer without a reader.
 */
export class Partition {
  readonly #options: PartitionOptions;
  readonly #inbox: Inbox;
  #revision: number;
  #offset: CommittedOffset;
  #consumer: PullConsumer | undefined;
  #state: State = 'reading';
  #work: Promise<void> = Promise.resolve();

  /** @returns undefined if another member took it first @throws NatsError, TagalongError BUS_UNREACHABLE */
  static async take(options: PartitionOptions, stored: StoredOffset): Promise<Partition | undefined> {
    const { offset, revision } = stored;
    const from = offset.owner === undefined ? offset : await afterOwner(options, offset);
    const partition = new Partition(options, from, revision);
    return (await partition.#open()) ? partition : undefined;
  }

  private constructor(options: PartitionOptions, offset: CommittedOffset, revision: number) {
    this.#options = options;
    this.#offset = offset;
    this.#revision = revision;
    const acknowledge = (reply: string) => {
      if (!options.link.nc.isClosed()) options.link.nc.publish(reply);
    };
    this.#inbox = new Inbox({ ...options, acknowledge });
  }

  /** Begins to hand out events. @param gone is called where another member turns out to own the partition */
  start(gone: () => void): void {
    this.#work = this.#run().then(() => {
      if (this.#state === 'lost') gone();
    });
  }

  /** Checks whether the partition is still ours. @param stored the committed offset as it was read last */
  look(stored: StoredOffset | undefined): void {
    if (stored === undefined || stored.revision <= this.#revision) return;
    if (stored.offset.owner !== this.#options.member) this.#lose();
  }

  /** Resolves when the batch in hand is done. No batch follows. The partition stays ours until `release`. */
  async stop(): Promise<void> {
    if (this.#state !== 'lost') this.#state = 'stopping';
    this.#inbox.wake();
    await this.#work;
    this.#consumer?.close();
  }

  /** Frees the partition, after `stop`. If the write fails, the partition stays ours on the server. */
  async release(): Promise<void> {
    const { group, partition, membership, link } = this.#options;
    if (this.#state === 'lost' || !link.connected) return;
    const offset = { ...this.#offset, ...this.#inbox.reached, owner: undefined, deaths: 0 };
    await membership.write(group, partition, offset, this.#revision);
  }

  async #run(): Promise<void> {
    const { membership, group, member } = this.#options;
    while (this.#state === 'reading' || this.#state === 'broken') {
      if (this.#state === 'broken') {
        await this.#reopen();
        continue;
      }
      await this.#inbox.waiting();
      if (!this.#isReading || this.#inbox.empty) continue;
      if (!membership.lives(group, member)) {
        await pause(SILENT_MS);
        continue;
      }
      const refusedMs = await this.#inbox.deliver();
      this.#consumer?.refill();
      if (refusedMs > 0 && !this.#isOver) await pause(refusedMs);
    }
  }

  // Getters, because other code changes the state while a batch is in hand, and the compiler would assume that it stays.
  get #isReading(): boolean {
    return this.#state === 'reading';
  }

  get #isOver(): boolean {
    return this.#state === 'stopping' || this.#state === 'lost';
  }

  /** Marks that the consumer may have lost messages. No effect if the partition is being released, or is not ours. */
  #break(): void {
    if (this.#state === 'reading') this.#state = 'broken';
  }

  #lose(): void {
    if (this.#state === 'lost') return;
    this.#state = 'lost';
    this.#options.link.counters.partitionsLost++;
    this.#consumer?.close();
    this.#inbox.wake();
  }

  async #reopen(): Promise<void> {
    const { link } = this.#options;
    try {
      this.#offset = { ...this.#offset, ...this.#inbox.reached, deaths: 0 };
      if (await this.#open()) link.counters.consumersRecreated++;
      else this.#lose();
    } catch {
      // The server does not answer, or elects a leader. `#run` tries again.
      this.#break();
      await pause(RETRY_MS);
    }
  }

  /** Creates a consumer and commits its name. @returns false if another member owns the partition */
  async #open(): Promise<boolean> {
    const { link, membership, names, group, partition, types, member } = this.#options;
    const name = consumerName(group, partition, nuid.next());
    this.#offset = { ...this.#offset, from: await beginOf(link, names.events, this.#offset) };
    this.#inbox.restart(this.#offset);
    if (this.#state === 'broken') this.#state = 'reading';
    const consumer = await PullConsumer.open(link, {
      stream: names.events,
      name,
      durable: true,
      filters: filtersOf(names, link, partition, types),
      start: this.#offset.from,
      onMessage: this.#inbox.receive,
      onBroken: () => {
        this.#break();
        this.#inbox.wake();
      },
      room: () => this.#inbox.room,
    });
    const offset = { ...this.#offset, owner: member, consumer: name };
    const revision = await membership.write(group, partition, offset, this.#revision).catch((error) => {
      consumer.close();
      remove(link, names, name);
      throw error;
    });
    if (revision === undefined) {
      consumer.close();
      remove(link, names, name);
      return false;
    }
    if (this.#offset.consumer !== undefined) remove(link, names, this.#offset.consumer);
    this.#offset = offset;
    this.#revision = revision;
    this.#consumer = consumer;
    return true;
  }
}

/**
 * The filters of a partition's consumer. With several filters a server compares every message with all subjects around it
 * (0.26 ms if 10,000 VMs have reported; 0.008 ms with one filter, nats-server 2.15.2). So a group that needs the locations, which
 * are most of the messages, reads all types and skips the others itself.
 */
export function filtersOf(names: Names, link: Link, partition: number, types: ReadonlySet<EventType>): string[] {
  if (types.size > 1 && (!link.manyFilters || types.has('location.reported.v1'))) return [names.filter(partition)];
  return [...types].map((type) => names.filter(partition, type));
}

/** The offset after an owner that did not release the partition. It is read from the acknowledgements of the owner's consumer. */
async function afterOwner(
  { link, names, member }: PartitionOptions,
  offset: CommittedOffset,
): Promise<CommittedOffset> {
  const info = await link.jsm.consumers.info(names.events, offset.consumer!).catch((error) => {
    if (apiCode(error) === CONSUMER_NOT_FOUND) return undefined;
    throw error;
  });
  if (info === undefined) return offset;
  const from = Math.max(offset.from, info.ack_floor.stream_seq + 1);
  const known = from === offset.from ? offset : { ...offset, from, handledMs: undefined, refusals: 0, deaths: 0 };
  // If the member takes again a partition that it could not release, these events have not killed it.
  if (info.delivered.stream_seq < from || offset.owner === member) return known;
  // After the first death of a process its batch is tried as it was: as a rule the events are not the cause.
  const deaths = known.deaths + 1;
  if (deaths === 1) return { ...known, deaths };
  const refusedTo = Math.max(known.refusedTo, info.delivered.stream_seq);
  return { ...known, deaths, refusals: Math.max(known.refusals, deaths - 1), refusedTo };
}

/**
 * The number of the first message that may not have been handled. That is the committed one, unless the server has lost events
 * that were not on its disk yet, and has given their numbers to others. Then it is the first message that is not older than the
 * last handled one.
 */
async function beginOf(link: Link, stream: string, { from, handledMs }: CommittedOffset): Promise<number> {
  const { first_seq: first, last_seq: last } = (await link.jsm.streams.info(stream)).state;
  const end = Math.min(from, last + 1);
  // No event was handled, or the stream has removed all handled ones.
  if (handledMs === undefined || end <= first) return end;
  if (end === from) {
    const timeMs = await timeOf(link, stream, from - 1);
    if (timeMs === undefined || Math.abs(timeMs - handledMs) <= ROUNDED_MS) return from;
  }
  let [low, high] = [first, end];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const timeMs = await timeOf(link, stream, middle);
    if (timeMs !== undefined && timeMs < handledMs - ROUNDED_MS) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** When the stream stored a message, by the server's clock; undefined if the stream does not have it. */
async function timeOf(link: Link, stream: string, seq: number): Promise<number | undefined> {
  const message = await link.jsm.streams.getMessage(stream, { seq }).catch((error) => {
    if (apiCode(error) === NO_MESSAGE) return undefined;
    throw error;
  });
  return message?.time.getTime();
}

function remove(link: Link, names: Names, consumer: string): void {
  // If this fails, `Lags` later removes the consumer, which no committed offset names.
  link.jsm.consumers.delete(names.events, consumer).catch(() => {});
}
