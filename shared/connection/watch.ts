/** Whether the server behind a bus or a store does what it is there for: asked again and again, and said in the log. */
import { setTimeout as sleep } from 'node:timers/promises';
import { duration } from '../format.ts';
import type { Log } from '../log.ts';

/** How often the server is asked, and how long it may take to answer, in milliseconds. */
const EVERY_MS = 2_000;
const ANSWER_WITHIN_MS = 3_000;

/** What to watch. */
export interface Watched {
  /** What is lost with the connection. */
  readonly what: 'bus' | 'store';
  /** Where it is, without secrets; for the log only. */
  readonly where: () => string;
  /** Asks the server something that it can only answer where it works. It may take as long as it likes. */
  readonly ask: () => Promise<unknown>;
  /** Why it did not answer, in few words that name no server. */
  readonly reasonOf: (error: unknown) => string;
  readonly log?: Log | undefined;
}

/** Knows whether a server can be used at the moment. It begins as one that can: somebody has just connected to it. */
export class ConnectionWatch {
  readonly #watched: Watched;
  readonly #closing = new AbortController();
  #lost: { readonly why: string; readonly sinceMs: number } | undefined;
  #asking = false;

  constructor(watched: Watched) {
    this.#watched = watched;
    void this.#watch();
  }

  /** True, or why the server cannot be used: without its address, because everybody may read it. */
  get state(): true | string {
    if (this.#lost === undefined) return true;
    const { why, sinceMs } = this.#lost;
    return `the ${this.#watched.what} has been unreachable for ${duration(performance.now() - sinceMs)} (${why})`;
  }

  /** The client noticed it before the next question. */
  lost(why: string): void {
    if (this.#lost !== undefined || this.#closing.signal.aborted) return;
    this.#lost = { why, sinceMs: performance.now() };
    const { what, where, log } = this.#watched;
    log?.warn({ server: where(), why }, `connection to the ${what} lost`);
  }

  /** Asks now, where nobody has an answer to wait for. */
  async look(): Promise<void> {
    if (this.#asking || this.#closing.signal.aborted) return;
    this.#asking = true;
    const late = setTimeout(() => this.lost('no answer'), ANSWER_WITHIN_MS);
    late.unref();
    try {
      await this.#watched.ask();
      this.#regained();
    } catch (error) {
      this.lost(this.#watched.reasonOf(error));
    } finally {
      clearTimeout(late);
      this.#asking = false;
    }
  }

  /** Asks no more, and logs no more. */
  close(): void {
    this.#closing.abort();
  }

  #regained(): void {
    if (this.#lost === undefined || this.#closing.signal.aborted) return;
    const lostMs = Math.round(performance.now() - this.#lost.sinceMs);
    this.#lost = undefined;
    const { what, where, log } = this.#watched;
    log?.info({ server: where(), lostMs }, `connection to the ${what} regained`);
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await sleep(EVERY_MS, undefined, { signal, ref: false }).catch(() => {});
      await this.look();
    }
  }
}
