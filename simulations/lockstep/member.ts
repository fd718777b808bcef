import type { FromConductor, Rest, Wire } from './wire.ts';

/** A process that follows the conductor, from its coming to its end. */
export class Member {
  readonly name: string;
  /** Address of its HTTP server; undefined until it takes part. */
  url: string | undefined;
  /** How late it was when it last rested, and how it was then. */
  nowMs = Number.NEGATIVE_INFINITY;
  rest: Rest = { nextMs: null, held: [] };
  readonly #line: Wire<FromConductor>;
  readonly #asked = new Map<number, { readonly nowMs: number; readonly done: (rest: Rest | undefined) => void }>();
  #n = 0;

  constructor(name: string, line: Wire<FromConductor>) {
    this.name = name;
    this.#line = line;
  }

  send(message: FromConductor): void {
    this.#line.send(message);
  }

  /** Tells it how late it is. Resolves when it rests again; undefined where it is gone. @param step do what is due first */
  now(nowMs: number, step: boolean): Promise<Rest | undefined> {
    return new Promise((done) => {
      this.#asked.set(++this.#n, { nowMs, done });
      this.send({ kind: 'now', n: this.#n, nowMs, step });
    });
  }

  /** It has answered. */
  rests({ n, nextMs, held }: Rest & { readonly n: number }): void {
    const asked = this.#asked.get(n);
    this.#asked.delete(n);
    this.rest = { nextMs, held };
    this.nowMs = asked?.nowMs ?? this.nowMs;
    asked?.done(this.rest);
  }

  /** It will answer nothing any more. */
  gone(): void {
    for (const { done } of this.#asked.values()) done(undefined);
    this.#asked.clear();
  }

  close(): void {
    this.#line.close();
  }
}
