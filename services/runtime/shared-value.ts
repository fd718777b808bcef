import { alarm } from '#shared/clock/alarm.ts';
import type { Clock } from '#shared/clock/clock.ts';

/** How long after a failed reading the value is read again, in milliseconds. */
const RETRY_MS = 1000;

/** Which value, and how fresh it has to be. */
export interface SharedValueOptions<T> {
  readonly clock: Clock;
  /** How old the value may become before it is read again. */
  readonly maxAgeMs: number;
  /** Reads it from the store. */
  readonly read: () => Promise<T>;
}

/** A value in the store that several processes write. Each process reads it again every so often, by a timer of its own. */
export class SharedValue<T> {
  readonly #options: SharedValueOptions<T>;
  readonly #alarm: (atMs: number | undefined) => void;
  #onStale: (() => Promise<boolean>) | undefined;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(options: SharedValueOptions<T>) {
    this.#options = options;
    this.#alarm = alarm(options.clock, () => void this.#refresh());
  }

  /** Reads the value; it is fresh then. @throws what the store throws */
  async read(): Promise<T> {
    this.#setDue(this.#options.clock.now() + this.#options.maxAgeMs);
    return this.#options.read();
  }

  /**
   * Calls `onStale` each time the value is too old, until `stop`.
   * @param onStale reads and applies the value; false: it could not, and is called again soon
   */
  watch(onStale: () => Promise<boolean>): void {
    this.#onStale = onStale;
  }

  /** The value is known to change: it is stale at `atMs` at the latest. */
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
