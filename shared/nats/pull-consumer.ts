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

/** The messages asked for at once. */
export const PULL = 1_024;
const PULL_BYTES = 8_000_000;
const PULL_EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 1_500;
const SILENT_MS = 3 * HEARTBEAT_MS;
/** The server redelivers nothing: a repeat would come in between later messages. A consumer is made anew instead. */
const ACK_WAIT_MS = 3_600_000;
/** The server removes a consumer that nobody reads, and that is not durable, after this. */
const INACTIVE_MS = 60_000;

/** A message of a stream, as a consumer receives it. */
export interface Received {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Its number in the stream. */
  readonly seq: number;
  /** When the stream took it, by the server's clock, in milliseconds since the epoch. */
  readonly atMs: number;
  /** How many messages follow for this consumer. */
  readonly pending: number;
  /** The subject of its acknowledgement. */
  readonly reply: string;
}

/** What to read, where to begin, and what to call. */
export interface PullConsumerOptions {
  readonly stream: string;
  readonly name: string;
  /** True: the server keeps the consumer, and what it has acknowledged, when nobody reads. */
  readonly durable: boolean;
  readonly filters: readonly string[];
  /** From this message on, or the last of each subject and what follows. */
  readonly start: number | 'last of each subject';
  readonly onMessage: (message: Received) => void;
  /** Called once when messages were lost on the way, or may have been. It reads no more: open another one. */
  readonly onBroken: () => void;
  /** For how many messages there is room. */
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
  /** Messages asked for and not yet received. */
  #wanted = 0;
  /** The subject at which the server answers the last request, other than with messages. */
  #replies = '';
  #requests = 0;
  #delivered = 0;
  #seq = 0;
  #heardMs = performance.now();
  #broken = false;
  /** How many messages waited when the consumer was made. */
  readonly pending: number;

  /** @throws NatsError where the server does not make the consumer */
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

  /** Asks for more messages where there is room. */
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

  /** Reads no more. The consumer stays on the server. */
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
      // Answers to an earlier request no longer matter: all its messages have come.
      if (subject === this.#replies) this.#status(message.headers?.code ?? 0, message.headers?.description ?? '');
      return;
    }
    const reply = message.reply!;
    const tokens = reply.split('.');
    // $JS.ACK.[domain.account.]stream.consumer.deliveries.stream sequence.consumer sequence.time.pending[.random]
    const at = tokens.length >= 11 ? 6 : 4;
    const seq = Number(tokens[at + 1]);
    const delivered = Number(tokens[at + 2]);
    // A gap, or a message for the second time.
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
    // The request expired, or is served in full: only its end.
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

function consumerConfig({ name, durable, filters, start }: PullConsumerOptions): Partial<ConsumerConfig> {
  return {
    name,
    ...(durable
      ? { durable_name: name }
      : { inactive_threshold: nanos(INACTIVE_MS), mem_storage: true, num_replicas: 1 }),
    ...(filters.length === 1 ? { filter_subject: filters[0]! } : { filter_subjects: [...filters] }),
    ...(start === 'last of each subject'
      ? { deliver_policy: DeliverPolicy.LastPerSubject }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: start }),
    ack_policy: AckPolicy.All,
    ack_wait: nanos(ACK_WAIT_MS),
    max_ack_pending: -1,
  };
}
