/** Asks the server of a bus or a store at a regular interval whether it works, and logs when that changes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { duration } from '../format.ts';
import type { Log } from '../log.ts';

/** Between two questions to the server. */
const EVERY_MS = 2_000;
/** A server that needs longer than this to answer counts as lost. */
const ANSWER_WITHIN_MS = 3_000;

/** A server that is watched. */
export interface Watched {
  /** The purpose of the server. */
  readonly what: 'bus' | 'store';
  /** The address of the server, without secrets. Only the log shows it. */
  readonly where: () => string;
  /** Asks the server a question that it can answer only if it works. There is no limit of time. */
  readonly ask: () => Promise<unknown>;
  /** Why the server did not answer, in few words, without its name. */
  readonly reasonOf: (error: unknown) => string;
  readonly log?: Log | undefined;
}

/** Knows whether a server can be used at the moment. At first it can: the caller has just connected to it. */
export class ConnectionWatch {
  readonly #watched: Watched;
  readonly #closing = new AbortController();
  #lost: { readonly why: string; readonly sinceMs: number } | undefined;
  #asking = false;

  constructor(watched: Watched) {
    this.#watched = watched;
    void this.#watch();
  }

  /** True, or why the server cannot be used. The text is public, so it does not contain the server's address. */
  get state(): true | string {
    if (this.#lost === undefined) return true;
    const { why, sinceMs } = this.#lost;
    return `the ${this.#watched.what} has been unreachable for ${duration(performance.now() - sinceMs)} (${why})`;
  }

  /** Reports that the client has lost its connection. */
  lost(why: string): void {
    if (this.#lost !== undefined || this.#closing.signal.aborted) return;
    this.#lost = { why, sinceMs: performance.now() };
    const { what, where, log } = this.#watched;
    log?.warn({ server: where(), why }, `connection to the ${what} lost`);
  }

  /** Asks the server now, unless a question is already under way. */
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

  /** Stops asking and logging. */
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
