/** Something that may have work under way, and tells when the work has ended. */
export interface Busy {
  readonly busy: boolean;
  /** Resolves when no work is under way. */
  idle(): Promise<void>;
}

/** Counts the pieces of work that are under way. */
export class InFlight implements Busy {
  #count = 0;
  #waiting: (() => void)[] = [];

  get busy(): boolean {
    return this.#count > 0;
  }

  /** Counts a piece of work, until the matching call of {@link end}. */
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

/** Resolves when all parts are idle at the same time. Until then, the work of one part may give work to another. */
export async function allIdle(parts: readonly Busy[]): Promise<void> {
  do for (const part of parts) await part.idle();
  while (parts.some(({ busy }) => busy));
}
