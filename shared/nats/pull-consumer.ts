import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  createInbox,
  DeliverPolicy,
  type Msg,
  nanos,
  type Subscription,
} from 'nats';
import type { Link } from './connection.ts';

/** The number of messages in one request. */
export const PULL = 1_024;
const PULL_BYTES = 8_000_000;
const PULL_EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 1_500;
const SILENT_MS = 3 * HEARTBEAT_MS;
/** So long that the server never redelivers: a repeat would arrive among later messages. A new consumer is made instead. */
const ACK_WAIT_MS = 3_600_000;
/** After this time without requests the server removes a consumer that is not durable. */
const INACTIVE_MS = 60_000;

/** A message of a stream, as a consumer receives it. */
export interface Received {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Its number in the stream. */
  readonly seq: number;
  /** When the stream took it, by the server's clock, in milliseconds since the epoch. */
  readonly atMs: number;
  /** The number of later messages for this consumer. */
  readonly pending: number;
  /** The subject of its acknowledgement. */
  readonly reply: string;
}

/** The messages to read, the first of them, and the callbacks. */
export interface PullConsumerOptions {
  readonly stream: string;
  readonly name: string;
  /** True: the server stores the consumer and its acknowledgements while no process reads. */
  readonly durable: boolean;
  readonly filters: readonly string[];
  /** The number or the time of the first message; or the last message of each subject, and all that follow. */
  readonly start: number | 'last of each subject' | { readonly atMs: number };
  readonly onMessage: (message: Received) => void;
  /** Called once when messages were or may have been lost. The consumer then stops: the caller opens another one. */
  readonly onBroken: () => void;
  /** Returns how many more messages the caller accepts. */
  readonly room: () => number;
}

/**
 * A pull consumer that is read strictly in order. After a gap, a repeat, a silent server or a lost connection it is broken, and
 * calls `onBroken` once. One acknowledgement stands for all messages before it (`ack_policy: all`).
 */
export class PullConsumer {
  readonly #link: Link;
  readonly #options: PullConsumerOptions;
  readonly #inbox = createInbox();
  readonly #subscription: Subscription;
  readonly #ends: (() => void)[] = [];
  /** The number of requested messages that have not arrived yet. */
  #wanted = 0;
  /** The reply subject of the last request, for the server's status messages. */
  #replies = '';
  #requests = 0;
  #delivered = 0;
  #seq = 0;
  #heardMs = performance.now();
  #broken = false;
  /** The number of messages that waited when the consumer was made. */
  readonly pending: number;

  /** @throws NatsError if the server does not create the consumer */
  static async open(link: Link, options: PullConsumerOptions): Promise<PullConsumer> {
    const info = await link.jsm.consumers.add(options.stream, consumerConfig(options));
    return new PullConsumer(link, options, info);
  }

  private constructor(link: Link, options: PullConsumerOptions, info: ConsumerInfo) {
    this.#link = link;
    this.#options = options;
    this.pending = info.num_pending;
    this.#subscription = link.nc.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => (error === null ? this.#received(message) : this.#break()),
    });
    const timer = setInterval(() => this.#listen(), HEARTBEAT_MS);
    timer.unref();
    this.#ends.push(
      () => clearInterval(timer),
      link.onReconnect(() => this.#break()),
    );
    this.refill();
  }

  /** Requests more messages if there is room. */
  refill(): void {
    if (this.#wanted > 0 || this.#broken || this.#options.room() < PULL) return;
    this.#wanted = PULL;
    this.#requests++;
    this.#replies = `${this.#inbox}.${this.#requests}`;
    this.#heardMs = performance.now();
    const request = {
      batch: PULL,
      max_bytes: Math.max(PULL_BYTES, 2 * this.#link.nc.info!.max_payload),
      expires: nanos(PULL_EXPIRES_MS),
      idle_heartbeat: nanos(HEARTBEAT_MS),
    };
    const { stream, name } = this.#options;
    this.#link.nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${name}`, JSON.stringify(request), {
      reply: this.#replies,
    });
  }

  /** Stops reading. The consumer stays on the server. */
  close(): void {
    this.#broken = true;
    for (const end of this.#ends.splice(0)) end();
    if (!this.#subscription.isClosed()) this.#subscription.unsubscribe();
  }

  #break(): void {
    if (this.#broken) return;
    this.close();
    this.#options.onBroken();
  }

  #received(message: Msg): void {
    this.#heardMs = performance.now();
    const { subject } = message;
    if (subject.startsWith(this.#inbox)) {
      // The status of an earlier request no longer matters: all its messages have arrived.
      if (subject === this.#replies) this.#status(message.headers?.code ?? 0, message.headers?.description ?? '');
      return;
    }
    const reply = message.reply!;
    const tokens = reply.split('.');
    // $JS.ACK.[domain.account.]stream.consumer.deliveries.stream sequence.consumer sequence.time.pending[.random]
    const at = tokens.length >= 11 ? 6 : 4;
    const seq = Number(tokens[at + 1]);
    const delivered = Number(tokens[at + 2]);
    // There is a gap, or the message is a repeat.
    if (delivered !== this.#delivered + 1 || seq <= this.#seq) {
      this.#break();
      return;
    }
    this.#delivered = delivered;
    this.#seq = seq;
    this.#wanted--;
    this.#options.onMessage({
      subject,
      data: message.data,
      seq,
      atMs: Math.floor(Number(tokens[at + 3]) / 1e6),
      pending: Number(tokens[at + 4]),
      reply,
    });
    if (this.#wanted === 0) this.refill();
  }

  #status(code: number, description: string): void {
    if (code === 100) return;
    // The request has expired, or was served in full. No message is lost.
    if (code === 404 || code === 408 || (code === 409 && /max ?bytes|batch completed/i.test(description))) {
      this.#wanted = 0;
      this.refill();
      return;
    }
    // The consumer was deleted, has another leader, or JetStream is gone: messages under way may be lost.
    this.#break();
  }

  #listen(): void {
    if (this.#wanted === 0 || !this.#link.connected || performance.now() - this.#heardMs < SILENT_MS) return;
    this.#link.counters.heartbeatsMissed++;
    this.#break();
  }
}

function startOf(start: PullConsumerOptions['start']): Partial<ConsumerConfig> {
  if (start === 'last of each subject') return { deliver_policy: DeliverPolicy.LastPerSubject };
  if (typeof start === 'number') return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start };
  return { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(start.atMs).toISOString() };
}

function consumerConfig({ name, durable, filters, start }: PullConsumerOptions): Partial<ConsumerConfig> {
  return {
    name,
    ...(durable
      ? { durable_name: name }
      : { inactive_threshold: nanos(INACTIVE_MS), mem_storage: true, num_replicas: 1 }),
    ...(filters.length === 1 ? { filter_subject: filters[0]! } : { filter_subjects: [...filters] }),
    ...startOf(start),
    ack_policy: AckPolicy.All,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: -1,
  };
}
