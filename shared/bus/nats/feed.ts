import { nuid } from 'nats';
import { retry } from '../../clock/retry.ts';
import type { Link } from '../../nats/connection.ts';
import { PullConsumer, type PullConsumerOptions, type Received } from '../../nats/pull-consumer.ts';

const RETRY_MS = 500;

/** The options of a feed; most are those of its `PullConsumer`. */
export interface FeedOptions extends Pick<PullConsumerOptions, 'stream' | 'filters' | 'onMessage' | 'room'> {
  /** Begins the consumers' names. */
  readonly name: string;
  /** Called before the feed reads the stream again from its beginning, because the server has lost messages. */
  readonly onReset?: () => void;
}

/**
 * Reads the last message of each subject, and then all that follow, in order and without a gap, until it is closed. It commits no
 * offset on the server. If its consumer is lost, it opens a new one behind the last received message.
 */
export class Feed {
  readonly #link: Link;
  readonly #options: FeedOptions;
  #consumer: PullConsumer | undefined;
  #name = '';
  #start: number | 'last of each subject' = 'last of each subject';
  #closed = false;
  #begun = 0;

  /** @throws NatsError where the server does not make the consumer */
  static async open(link: Link, options: FeedOptions): Promise<Feed> {
    const feed = new Feed(link, options);
    await feed.#open();
    feed.#begun = feed.#consumer!.pending;
    return feed;
  }

  private constructor(link: Link, options: FeedOptions) {
    this.#link = link;
    this.#options = options;
  }

  /** The number of messages that waited when the feed was opened. */
  get begun(): number {
    return this.#begun;
  }

  /** Requests more messages if `room` allows it. */
  refill(): void {
    this.#consumer?.refill();
  }

  /** Stops reading. */
  close(): void {
    this.#closed = true;
    this.#consumer?.close();
    this.#remove();
  }

  async #open(): Promise<void> {
    this.#name = `${this.#options.name}~${nuid.next()}`;
    const { stream } = this.#options;
    const last = this.#start === 'last of each subject' ? await lastOf(this.#link, stream) : undefined;
    this.#consumer = await PullConsumer.open(this.#link, {
      ...this.#options,
      name: this.#name,
      durable: false,
      start: this.#start,
      onMessage: (message: Received) => {
        this.#seen(message.seq);
        this.#options.onMessage(message);
      },
      onBroken: () => void this.#reopen(),
    });
    // The stream was empty: from now on every message counts, even if a subject has several.
    if (last !== undefined && this.#consumer.pending === 0) this.#seen(last);
    if (this.#closed) this.close();
  }

  #seen(seq: number): void {
    if (this.#start === 'last of each subject' || this.#start <= seq) this.#start = seq + 1;
  }

  async #reopen(): Promise<void> {
    this.#remove();
    const goOn = () => !this.#closed && !this.#link.nc.isClosed();
    if (!goOn()) return;
    // It fails only after `close`.
    await retry(() => this.#openBehindLast(), { everyMs: RETRY_MS, goOn, ref: false }).catch(() => {});
  }

  async #openBehindLast(): Promise<void> {
    if (typeof this.#start === 'number' && this.#start > (await lastOf(this.#link, this.#options.stream)) + 1) {
      this.#start = 'last of each subject';
      this.#options.onReset?.();
    }
    await this.#open();
    this.#link.counters.consumersRecreated++;
  }

  #remove(): void {
    if (this.#link.nc.isClosed()) return;
    // If this fails, the server removes the consumer by itself.
    this.#link.jsm.consumers.delete(this.#options.stream, this.#name).catch(() => {});
  }
}

/** The number of the last message of a stream; 0 where it never had one. @throws NatsError */
export async function lastOf(link: Link, stream: string): Promise<number> {
  return (await link.jsm.streams.info(stream)).state.last_seq;
}
