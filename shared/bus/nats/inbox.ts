import { retry } from '../../clock/retry.ts';
import { TagalongError } from '../../errors.ts';
import { decode, EVENT_TYPES, type Event, type EventType } from '../../events/index.ts';
import type { NatsCounters } from '../../nats/counters.ts';
import { PULL, type Received } from '../../nats/pull-consumer.ts';
import { type Delivery, type Handler, MAX_ATTEMPTS } from '../bus.ts';
import { PartitionQueue } from '../partition-queue.ts';
import { publishDeadLetter, type Undecodable, undecodableDeadLetter } from './dead-letters.ts';
import type { CommittedOffset } from './membership.ts';
import { keyOfSubject, type Names } from './names.ts';

/**
 * How many events of a partition wait in the process at most: those in hand, and some pulls ahead. After an outage they are one
 * batch in which a VM has several events. The larger the batch, the fewer writes of the VM's state.
 */
const MOST_QUEUED = 8 * PULL;
/** The pauses after a refusal, which give a passing fault time to pass. */
const PAUSES_MS = [10, 40, 160, 640] as const;
const DEAD_LETTER_RETRY_MS = 1_000;

/** A message by its number in the stream. */
interface Numbered {
  readonly seq: number;
  /** When the stream stored it, by the server's clock. */
  readonly atMs: number;
  readonly reply: string;
}

interface Queued extends Delivery, Numbered {
  readonly undecodable?: Undecodable;
}

/** The dependencies of an inbox. */
export interface InboxOptions {
  readonly group: string;
  readonly partition: number;
  readonly types: ReadonlySet<EventType>;
  readonly names: Names;
  readonly handler: Handler;
  readonly counters: NatsCounters;
  publish(events: readonly Event[]): Promise<void>;
  /** Acknowledges a message and all before it. @param reply the subject of its acknowledgement */
  acknowledge(reply: string): void;
}

/** The progress of an inbox, which outlives its queue. */
export type Reached = Pick<CommittedOffset, 'from' | 'handledMs' | 'refusals' | 'refusedTo'>;

/** The received events of one partition that are not yet handled. It hands them to the handler in batches. */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #decoder = new TextDecoder();
  /** The subjects, without their key, of the types that the group did not subscribe to. */
  readonly #others: ReadonlySet<string>;
  #queue = new PartitionQueue<Queued>();
  #tried = { refusals: 0, refusedTo: 0 };
  /** All messages up to this number are handled. */
  #handledTo = 0;
  #handledMs: number | undefined;
  #last: Numbered | undefined;
  #wake: (() => void) | undefined;

  constructor(options: InboxOptions) {
    this.#options = options;
    const { names, partition, types } = options;
    const others = EVENT_TYPES.filter((type) => !types.has(type));
    this.#others = new Set(others.map((type) => withoutLast(names.filter(partition, type))));
  }

  /** How many more messages it accepts. */
  get room(): number {
    return MOST_QUEUED - this.#queue.size;
  }

  /** True if no message waits and none is in hand. */
  get empty(): boolean {
    return this.#queue.size === 0;
  }

  /** The end of the handled messages, and the attempts of the first message behind it. */
  get reached(): Reached {
    const reached = { from: this.#handledTo + 1, handledMs: this.#handledMs };
    const [first] = this.#queue;
    if (first === undefined) return { ...reached, ...this.#tried };
    const refused = [...this.#queue].findLast(({ attempt }) => attempt > 1);
    return { ...reached, refusals: first.attempt - 1, refusedTo: refused?.seq ?? 0 };
  }

  /** Empties the queue: the caller receives all from `from` on again. */
  restart({ from, handledMs, refusals, refusedTo }: Reached): void {
    this.#handledTo = from - 1;
    this.#handledMs = handledMs;
    // Only these two: the argument may be a whole committed offset, and `reached` must not restore its owner.
    this.#tried = { refusals, refusedTo };
    // The skipped message is received again, too.
    this.#last = undefined;
    this.#queue = new PartitionQueue();
  }

  /** Receives a message. */
  receive = ({ subject, data, seq, reply, atMs }: Received): void => {
    if (seq <= this.#handledTo) return;
    if (this.#others.has(withoutLast(subject))) {
      this.#skip({ seq, atMs, reply });
      return;
    }
    const { partition } = this.#options;
    const { refusals, refusedTo } = this.#tried;
    const attempt = this.#queue.size === 0 && refusals > 0 ? refusals + 1 : seq <= refusedTo ? 2 : 1;
    if (this.#queue.size === 0) this.#tried = { refusals: 0, refusedTo };
    const text = this.#decoder.decode(data);
    const queued = { partition, attempt, seq, atMs, reply };
    try {
      const event = decode(text);
      const right = this.#options.names.subject(event);
      if (right !== subject)
        throw new TagalongError('EVENT_INVALID', `the event has the wrong subject; publish it on ${right}`);
      this.#queue.push({ ...queued, event });
    } catch (error) {
      const key = keyOfSubject(subject) ?? '';
      const undecodable = { seq, key, atMs, text, error: error as TagalongError };
      this.#queue.push({ ...queued, event: undefined as never, undecodable });
    }
    this.#wake?.();
  };

  /** A message that is not for the group counts as handled when all before it is. */
  #skip(message: Numbered): void {
    if (this.empty) this.#done(message);
    else this.#last = message;
  }

  /** Ends a wait for messages. */
  wake(): void {
    this.#wake?.();
  }

  /** Resolves when a message waits, or `wake` was called. */
  async waiting(): Promise<void> {
    if (!this.empty) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  /** Hands out the waiting messages as one batch. @returns the pause after a refusal, in milliseconds; else 0 */
  async deliver(): Promise<number> {
    const batch = this.#queue.take();
    try {
      await this.#hand(batch);
      this.#queue.acknowledge();
      this.#done(batch.at(-1)!);
      return 0;
    } catch (error) {
      const refused = this.#queue.refuse();
      if (refused === undefined) return PAUSES_MS[Math.min(batch[0]!.attempt, PAUSES_MS.length) - 1]!;
      await this.#reject(refused, error);
      this.#done(refused);
      return 0;
    }
  }

  async #hand(batch: readonly Queued[]): Promise<void> {
    if (batch[0]!.attempt > MAX_ATTEMPTS) {
      await this.#reject(batch[0]!, new Error('the process of its handler died again and again'));
      return;
    }
    const unreadable = batch.flatMap(({ undecodable }) => undecodable ?? []);
    if (unreadable.length > 0) {
      await this.#options.publish(unreadable.map((message) => undecodableDeadLetter(message, this.#options.group)));
      this.#options.counters.undecodable += unreadable.length;
    }
    const events = unreadable.length === 0 ? batch : batch.filter(({ undecodable }) => undecodable === undefined);
    if (events.length > 0) await this.#options.handler(events);
  }

  async #reject({ event, undecodable }: Queued, error: unknown): Promise<void> {
    if (undecodable !== undefined) return;
    const { publish, group } = this.#options;
    // Without its dead letter the event would be lost without a trace. So this waits until the bus is reachable.
    const isPassing = (reason: unknown) => {
      const { code } = reason as { code?: string };
      return code === 'BUS_UNREACHABLE' || code === 'BUS_REFUSED';
    };
    const everyMs = DEAD_LETTER_RETRY_MS;
    await retry(() => publishDeadLetter(publish, event, group, error), { everyMs, isPassing }).catch(() => {});
  }

  #done(message: Numbered): void {
    // Skipped messages behind the last one are handled with it.
    const to = this.empty && this.#last !== undefined && this.#last.seq > message.seq ? this.#last : message;
    if (this.empty) this.#last = undefined;
    this.#handledTo = to.seq;
    this.#handledMs = to.atMs;
    this.#options.acknowledge(to.reply);
  }
}

/** A subject without its last token. */
function withoutLast(subject: string): string {
  return subject.slice(0, subject.lastIndexOf('.'));
}
