import { setTimeout as pause } from 'node:timers/promises';
import { TagalongError } from '../../errors.ts';
import { decode, EVENT_TYPES, type Event, type EventType } from '../../events/index.ts';
import { type Delivery, type Handler, MAX_ATTEMPTS } from '../bus.ts';
import { PartitionQueue } from '../partition-queue.ts';
import type { NatsCounters } from './counters.ts';
import { publishLetter, type Undecodable, undecodableLetter } from './letters.ts';
import { keyOfSubject, type Names } from './names.ts';
import { PULL, type Received } from './source.ts';
import type { CommittedOffset } from './view.ts';

/**
 * So many events of a partition wait in the process at most: those in hand, and some pulls ahead. After an outage they are
 * one batch, in which a VM has several: the more there are, the seldomer its state is written.
 */
const MOST_QUEUED = 8 * PULL;
/** The pauses after a refusal, so that what passes has time to pass. */
const PAUSES_MS = [10, 40, 160, 640] as const;
const LETTER_PAUSE_MS = 1_000;

/** A message by its number in the stream. */
interface Numbered {
  readonly seq: number;
  /** When the stream took it. */
  readonly atMs: number;
  readonly reply: string;
}

interface Queued extends Delivery, Numbered {
  readonly undecodable?: Undecodable;
}

/** What is needed to hand a group the events of one partition. */
export interface InboxOptions {
  readonly group: string;
  readonly partition: number;
  readonly types: ReadonlySet<EventType>;
  readonly names: Names;
  readonly handler: Handler;
  readonly counters: NatsCounters;
  publish(events: readonly Event[]): Promise<void>;
  /** Tells the server that all up to here is handled. */
  acknowledge(reply: string): void;
}

/** How far it has come: what survives when the queue does not. */
export type Reached = Pick<CommittedOffset, 'from' | 'handledMs' | 'refusals' | 'refusedTo'>;

/** The events of one partition that have been received and not yet handled, and the way they take to the handler. */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #decoder = new TextDecoder();
  /** The subjects, but for the key, of events that are not for this group. */
  readonly #others: ReadonlySet<string>;
  #queue = new PartitionQueue<Queued>();
  #tried = { refusals: 0, refusedTo: 0 };
  #place = 0;
  #handledMs: number | undefined;
  #last: Numbered | undefined;
  #wake: (() => void) | undefined;

  constructor(options: InboxOptions) {
    this.#options = options;
    const { names, partition, types } = options;
    const others = EVENT_TYPES.filter((type) => !types.has(type));
    this.#others = new Set(others.map((type) => withoutLast(names.filter(partition, type))));
  }

  /** How many more messages may come. */
  get room(): number {
    return MOST_QUEUED - this.#queue.size;
  }

  get empty(): boolean {
    return this.#queue.size === 0;
  }

  /** Up to where all is handled, and how often what is now first has been tried. */
  get reached(): Reached {
    const reached = { from: this.#place + 1, handledMs: this.#handledMs };
    const [first] = this.#queue;
    if (first === undefined) return { ...reached, ...this.#tried };
    const refused = [...this.#queue].findLast(({ attempt }) => attempt > 1);
    return { ...reached, refusals: first.attempt - 1, refusedTo: refused?.seq ?? 0 };
  }

  /** Forgets what is queued: all from `from` on will be received again. */
  restart({ from, handledMs, refusals, refusedTo }: Reached): void {
    this.#place = from - 1;
    this.#handledMs = handledMs;
    // What is given may be a whole place: were its owner kept as well, `reached` would make it the owner again.
    this.#tried = { refusals, refusedTo };
    // It came behind what is now received again.
    this.#last = undefined;
    this.#queue = new PartitionQueue();
  }

  /** Takes a message in. */
  receive = ({ subject, data, seq, reply, atMs }: Received): void => {
    if (seq <= this.#place) return;
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
        throw new TagalongError('EVENT_INVALID', `its subject is not ${right}, which it has to be`);
      this.#queue.push({ ...queued, event });
    } catch (error) {
      const key = keyOfSubject(subject) ?? '';
      const undecodable = { seq, key, atMs, text, error: error as TagalongError };
      this.#queue.push({ ...queued, event: undefined as never, undecodable });
    }
    this.#wake?.();
  };

  /** What is not for the group counts as handled when all before it is. */
  #skip(message: Numbered): void {
    if (this.empty) this.#done(message);
    else this.#last = message;
  }

  /** Ends a wait for messages. */
  wake(): void {
    this.#wake?.();
  }

  /** Resolves when there is something to hand out, or somebody says `wake`. */
  async waiting(): Promise<void> {
    if (!this.empty) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }

  /** Hands out what is there as one batch. @returns for how long to pause, where it was refused */
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
    const letters = batch.flatMap(({ undecodable }) => undecodable ?? []);
    if (letters.length > 0) {
      await this.#options.publish(letters.map((letter) => undecodableLetter(letter, this.#options.group)));
      this.#options.counters.undecodable += letters.length;
    }
    const events = letters.length === 0 ? batch : batch.filter(({ undecodable }) => undecodable === undefined);
    if (events.length > 0) await this.#options.handler(events);
  }

  async #reject({ event, undecodable }: Queued, error: unknown): Promise<void> {
    if (undecodable !== undefined) return;
    // A letter that cannot be written now is worth waiting for: the event would be lost without a trace.
    for (;;) {
      try {
        return await publishLetter(this.#options.publish, event, this.#options.group, error);
      } catch (reason) {
        const { code } = reason as { code?: string };
        if (code !== 'BUS_UNREACHABLE' && code !== 'BUS_REFUSED') return;
        await pause(LETTER_PAUSE_MS);
      }
    }
  }

  #done(message: Numbered): void {
    // What came after it and was not for us is handled with it.
    const to = this.empty && this.#last !== undefined && this.#last.seq > message.seq ? this.#last : message;
    if (this.empty) this.#last = undefined;
    this.#place = to.seq;
    this.#handledMs = to.atMs;
    this.#options.acknowledge(to.reply);
  }
}

/** A subject without its last token. */
function withoutLast(subject: string): string {
  return subject.slice(0, subject.lastIndexOf('.'));
}
