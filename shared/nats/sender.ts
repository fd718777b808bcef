import { createInbox, type Msg, type MsgHdrs } from 'nats';
import type { ServerRole } from '../connection/role.ts';
import { TagalongError } from '../errors.ts';
import type { Link } from './connection.ts';
import { reasonOf } from './errors.ts';

/** After this time without an acknowledgement a message is sent again. */
const ACK_TIMEOUT_MS = 5_000;
/** The pauses before a message that the server could not accept is sent again. */
const PAUSES_MS = [20, 100, 500, 2_000] as const;
const CHECK_MS = 250;
/** JetStream's error while the replicas have not agreed on the first message with this id. */
const IN_PROCESS = 10158;

/** A stream's answer to a message. */
export type Ack = { readonly seq: number } | { readonly error: ApiError };

/** Why a stream rejected a message. */
export interface ApiError {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}

interface Pending {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers: { encode(): Uint8Array };
  readonly resolve: (ack: Ack) => void;
  readonly reject: (error: TagalongError) => void;
  readonly giveUpMs: number;
  sentMs: number;
  attempts: number;
  lastRefusal: string;
}

/**
 * Sends messages to streams, many at once. It repeats each under the same message id until the stream has answered; a repeat
 * changes nothing. All answers go to one inbox, because the client's own `request` creates a timer and two promises for each
 * message.
 */
export class Sender {
  readonly #link: Link;
  readonly #inbox = createInbox();
  readonly #pending = new Map<number, Pending>();
  readonly #ends: (() => void)[] = [];
  #last = 0;

  constructor(link: Link) {
    this.#link = link;
    const subscription = link.nc.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#answered(message);
      },
    });
    const timer = setInterval(() => this.#sendOverdue(), CHECK_MS);
    timer.unref();
    this.#ends.push(
      () => subscription.unsubscribe(),
      () => clearInterval(timer),
      // Messages under way may be lost.
      link.onReconnect(() => this.#sendAll()),
    );
  }

  /** The connection's purpose: bus or store. */
  get role(): ServerRole {
    return this.#link.role;
  }

  /** How many messages are under way. */
  get size(): number {
    return this.#pending.size;
  }

  /**
   * Resolves with the stream's answer, which may also be a rejection.
   * @param options.id the message id, by which the server recognises a repeat
   * @param options.giveUpAfterMs the limit of all attempts, in milliseconds
   * @throws TagalongError PAYLOAD_TOO_LARGE, `unreachable` of the role, BUS_REFUSED, BUS_CLOSED
   */
  send(options: {
    readonly subject: string;
    readonly payload: Uint8Array;
    readonly id: string;
    readonly headers?: Readonly<Record<string, string>> | undefined;
    readonly giveUpAfterMs: number;
  }): Promise<Ack> {
    const { subject, payload, id, giveUpAfterMs } = options;
    const headers = encodeHeaders({ 'Nats-Msg-Id': headerValue(id), ...options.headers });
    const most = this.#link.nc.info?.max_payload ?? Number.POSITIVE_INFINITY;
    if (payload.length + headers.encode().length > most) {
      const message = `${id}: ${payload.length} bytes with its envelope; the server takes at most ${most} (max_payload)`;
      return Promise.reject(new TagalongError('PAYLOAD_TOO_LARGE', message));
    }
    return new Promise((resolve, reject) => {
      const giveUpMs = performance.now() + giveUpAfterMs;
      const pending = { subject, payload, headers, resolve, reject, giveUpMs, sentMs: 0, attempts: 0, lastRefusal: '' };
      this.#last++;
      this.#pending.set(this.#last, pending);
      this.#transmit(this.#last, pending);
    });
  }

  /** Stops sending, and rejects the messages under way with BUS_CLOSED. */
  close(): void {
    for (const end of this.#ends) end();
    const closed = new TagalongError('BUS_CLOSED', 'the connection was closed before the server answered');
    for (const { reject } of this.#pending.values()) reject(closed);
    this.#pending.clear();
  }

  #transmit(number: number, pending: Pending): void {
    pending.sentMs = performance.now();
    pending.attempts++;
    if (pending.attempts > 1) this.#link.counters.resent++;
    try {
      const headers = pending.headers as unknown as MsgHdrs;
      this.#link.nc.publish(pending.subject, pending.payload, { headers, reply: `${this.#inbox}.${number}` });
    } catch (error) {
      // The client throws only if the connection was closed for good.
      this.#pending.delete(number);
      pending.reject(new TagalongError('BUS_CLOSED', `${pending.subject}: ${reasonOf(error)}`, { cause: error }));
    }
  }

  #answered(message: Msg): void {
    const number = Number(message.subject.slice(this.#inbox.length + 1));
    const pending = this.#pending.get(number);
    // This answers a repeat; the first message was answered before.
    if (pending === undefined) return;
    const answer = answerIn(message);
    if ('error' in answer && (answer.error.code >= 500 || answer.error.err_code === IN_PROCESS)) {
      // The stream cannot accept it now: it has no leader or no space, is starting, or still writes the first copy.
      pending.lastRefusal = answer.error.description;
      const pauseMs = PAUSES_MS[Math.min(pending.attempts, PAUSES_MS.length) - 1]!;
      pending.sentMs = performance.now() - ACK_TIMEOUT_MS + pauseMs;
      setTimeout(() => this.#sendOverdue(), pauseMs + 1).unref();
      return;
    }
    this.#pending.delete(number);
    pending.resolve(answer);
  }

  #sendOverdue(): void {
    const nowMs = performance.now();
    for (const [number, pending] of this.#pending) {
      if (this.#link.forbidden.has(pending.subject)) this.#refuse(number, pending);
      else if (nowMs > pending.giveUpMs) this.#giveUp(number, pending);
      else if (nowMs - pending.sentMs >= ACK_TIMEOUT_MS && this.#link.connected) this.#transmit(number, pending);
    }
  }

  #sendAll(): void {
    for (const [number, pending] of this.#pending) this.#transmit(number, pending);
  }

  #refuse(number: number, { subject, reject }: Pending): void {
    this.#pending.delete(number);
    const message = `our account on NATS may not publish on ${subject}; shared/bus/nats/README.md lists the permissions`;
    reject(new TagalongError('BUS_REFUSED', message));
  }

  #giveUp(number: number, { subject, attempts, lastRefusal, reject }: Pending): void {
    this.#pending.delete(number);
    const why = lastRefusal === '' ? 'no answer' : `the server says: ${lastRefusal}`;
    const message = `${subject.split('.', 2).join('.')}: NATS did not accept a message in ${attempts} attempts (${why}); check the server`;
    reject(new TagalongError(this.role.unreachable, message));
  }
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

function answerIn(message: Msg): Ack {
  const { headers } = message;
  if (headers !== undefined && headers.code >= 300) {
    return {
      error: { code: headers.code, err_code: headers.code, description: 'JetStream or its stream is not there' },
    };
  }
  const answer = JSON.parse(decoder.decode(message.data)) as { seq?: number; error?: ApiError };
  return answer.error === undefined ? { seq: answer.seq! } : { error: answer.error };
}

/** The client calls only `encode` of headers. The client's own class is three times as slow. */
function encodeHeaders(values: Readonly<Record<string, string>>): { encode(): Uint8Array } {
  let lines = 'NATS/1.0\r\n';
  for (const name in values) lines += `${name}: ${values[name]}\r\n`;
  const bytes = encoder.encode(`${lines}\r\n`);
  return { encode: () => bytes };
}

/** Encodes a text for a header, which allows only visible ASCII. */
function headerValue(text: string): string {
  return /^[!-~]+$/.test(text) ? text : encodeURIComponent(text);
}
