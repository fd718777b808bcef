import { setTimeout as pause } from 'node:timers/promises';
import { nuid } from 'nats';
import type { Link } from './connection.ts';
import { type Received, Source, type SourceOptions } from './source.ts';

const RETRY_MS = 500;

/** What a feed reads; the rest is as of a `Source`. */
export interface FeedOptions extends Pick<SourceOptions, 'stream' | 'filters' | 'onMessage' | 'room'> {
  /** Begins the consumers' names. */
  readonly name: string;
  /** The stream is not what it was, and is read anew: a server that has lost what it had not on its disk, or all. */
  readonly onReset?: () => void;
}

/**
 * The last message of each subject, then all that follow, in order and without a gap, for as long as it is not closed. It
 * keeps no place on the server: where its consumer gets lost it goes on with a new one after the last message it has seen.
 */
export class Feed {
  readonly #link: Link;
  readonly #options: FeedOptions;
  #source: Source | undefined;
  #name = '';
  #start: SourceOptions['start'] = 'last of each subject';
  #closed = false;
  #begun = 0;

  /** @throws NatsError where the server does not make the consumer */
  static async open(link: Link, options: FeedOptions): Promise<Feed> {
    const feed = new Feed(link, options);
    await feed.#open();
    feed.#begun = feed.#source!.pending;
    return feed;
  }

  private constructor(link: Link, options: FeedOptions) {
    this.#link = link;
    this.#options = options;
  }

  /** How many messages there were when it was opened. */
  get begun(): number {
    return this.#begun;
  }

  /** Asks for more, where there is room for it. */
  refill(): void {
    this.#source?.refill();
  }

  /** Reads no more. */
  close(): void {
    this.#closed = true;
    this.#source?.close();
    this.#remove();
  }

  async #open(): Promise<void> {
    this.#name = `${this.#options.name}~${nuid.next()}`;
    const { stream } = this.#options;
    const last = this.#start === 'last of each subject' ? await lastOf(this.#link, stream) : undefined;
    this.#source = await Source.open(this.#link, {
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
    // There was nothing to begin with: from now on every message counts, also where there are several of a subject.
    if (last !== undefined && this.#source.pending === 0) this.#seen(last);
    if (this.#closed) this.close();
  }

  #seen(seq: number): void {
    if (this.#start === 'last of each subject' || this.#start <= seq) this.#start = seq + 1;
  }

  async #reopen(): Promise<void> {
    this.#remove();
    while (!this.#closed && !this.#link.nc.isClosed()) {
      try {
        if (typeof this.#start === 'number' && this.#start > (await lastOf(this.#link, this.#options.stream)) + 1) {
          this.#start = 'last of each subject';
          this.#options.onReset?.();
        }
        await this.#open();
        this.#link.counters.consumersRecreated++;
        return;
      } catch {
        await pause(RETRY_MS, undefined, { ref: false });
      }
    }
  }

  #remove(): void {
    if (this.#link.nc.isClosed()) return;
    // Where this fails, the server removes it by itself.
    this.#link.jsm.consumers.delete(this.#options.stream, this.#name).catch(() => {});
  }
}

/** The number of the last message of a stream. */
export async function lastOf(link: Link, stream: string): Promise<number> {
  return (await link.jsm.streams.info(stream)).state.last_seq;
}
