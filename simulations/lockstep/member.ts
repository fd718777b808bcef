import type { Connection } from './connection.ts';
import type { FromConductor, IdleState } from './messages.ts';

/** A follower as the conductor sees it, from its connection to its end. */
export class Member {
  readonly name: string;
  /** Address of its HTTP server; undefined until the service has started. */
  url: string | undefined;
  /** The time of its clock, and its state, when it was last idle. */
  nowMs = Number.NEGATIVE_INFINITY;
  idle: IdleState = { nextMs: null, held: [] };
  readonly #connection: Connection<FromConductor>;
  readonly #asked = new Map<number, { nowMs: number; resolve: (idle: IdleState | undefined) => void }>();
  #n = 0;

  constructor(name: string, connection: Connection<FromConductor>) {
    this.name = name;
    this.#connection = connection;
  }

  send(message: FromConductor): void {
    this.#connection.send(message);
  }

  /**
   * Sets its clock. Resolves when it is idle again; undefined if it has ended.
   * @param step true: run the first due callback
   */
  sendTime(nowMs: number, step: boolean): Promise<IdleState | undefined> {
    return new Promise((resolve) => {
      this.#asked.set(++this.#n, { nowMs, resolve });
      this.send({ kind: 'time', n: this.#n, nowMs, step });
    });
  }

  /** It has answered `sendTime` number `n`. */
  answered({ n, nextMs, held }: IdleState & { readonly n: number }): void {
    const asked = this.#asked.get(n);
    this.#asked.delete(n);
    this.idle = { nextMs, held };
    this.nowMs = asked?.nowMs ?? this.nowMs;
    asked?.resolve(this.idle);
  }

  /** It has ended and answers nothing any more. */
  ended(): void {
    for (const { resolve } of this.#asked.values()) resolve(undefined);
    this.#asked.clear();
  }

  close(): void {
    this.#connection.close();
  }
}
