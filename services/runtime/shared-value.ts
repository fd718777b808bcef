import { alarm } from '#shared/clock/alarm.ts';
import type { Clock } from '#shared/clock/clock.ts';

/** The pause after a failed read, in milliseconds. */
const RETRY_MS = 1000;

/** The value's source, and the age at which it is stale. */
export interface SharedValueOptions<T> {
  readonly clock: Clock;
  /** The age at which the value is read again. */
  readonly maxAgeMs: number;
  /** Reads it from the store. */
  readonly read: () => Promise<T>;
}

/** A value in the store that several processes write. Each process reads it again by a timer of its own. */
export class SharedValue<T> {
  readonly #options: SharedValueOptions<T>;
  readonly #alarm: (atMs: number | undefined) => void;
  #onStale: (() => Promise<boolean>) | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(options: SharedValueOptions<T>) {
    this.#options = options;
    this.#alarm = alarm(options.clock, () => void this.#refresh());
  }

  /** Reads the value, which makes it fresh. @throws TagalongError of the store */
  async read(): Promise<T> {
    this.#setDue(this.#options.clock.now() + this.#options.maxAgeMs);
    return this.#options.read();
  }

  /**
   * Calls `onStale` each time the value is stale, until `stop`.
   * @param onStale reads and applies the value; returns false after a failure, and is then called again after a second
   */
  watch(onStale: () => Promise<boolean>): void {
    this.#onStale = onStale;
  }

  /** Makes the value stale at `atMs` at the latest, because it is about to change. */
  expireBy(atMs: number): void {
    if (atMs < this.#dueMs) this.#setDue(atMs);
  }

  /** Ends `watch`. */
  stop(): void {
    this.#onStale = undefined;
    this.#alarm(undefined);
  }

  #setDue(atMs: number): void {
    this.#dueMs = atMs;
    if (this.#onStale) this.#alarm(atMs);
  }

  async #refresh(): Promise<void> {
    const isFresh = await this.#onStale?.();
    if (isFresh === false) this.#setDue(this.#options.clock.now() + RETRY_MS);
  }
}
