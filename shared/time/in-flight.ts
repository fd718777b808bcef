/** Something that may be at work, and can say when it no longer is. */
export interface Busy {
  readonly busy: boolean;
  /** Resolves when nothing is under way; at once where nothing is. */
  idle(): Promise<void>;
}

/** Counts work that is under way. */
export class InFlight implements Busy {
  #count = 0;
  #waiting: (() => void)[] = [];

  get busy(): boolean {
    return this.#count > 0;
  }

  /** A piece of work begins; {@link end} follows. */
  begin(): void {
    this.#count++;
  }

  end(): void {
    this.#count--;
    if (this.#count > 0 || this.#waiting.length === 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Counts a piece of work from its call to its end. @throws what `work` throws */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work();
    } finally {
      this.end();
    }
  }

  idle(): Promise<void> {
    return this.busy ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
  }
}

/** Resolves when all parts are idle at the same time, though one may set another to work. */
export async function allIdle(parts: readonly Busy[]): Promise<void> {
  do for (const part of parts) await part.idle();
  while (parts.some(({ busy }) => busy));
}
