/**
 * A service's core, one change at a time: batches, timers and requests wait for each other, because each of them
 * changes the same state and ends with writing it down. If the writing fails, what the core knows is worth nothing any
 * more: it is loaded anew before the next change.
 */
import { TagalongError } from '#shared/errors.ts';

export interface Recorded {
  /**
   * Changes the core, writes what changed, says and orders what follows.
   * @throws what `change` throws; a TagalongError of it must mean that nothing was changed
   */
  work<T>(change: () => T): Promise<T>;
  /** True while something is being worked on. */
  readonly busy: boolean;
  /** Resolves when nothing is. */
  idle(): Promise<void>;
  /** False where the last change could not be written. */
  readonly sound: boolean;
}

export interface RecordedParts {
  /** Makes the core what the store says. */
  readonly load: () => Promise<void>;
  /** Writes what changed since the last time, then publishes and orders what follows. */
  readonly commit: () => Promise<void>;
}

export function recorded({ load, commit }: RecordedParts): Recorded {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  let stale = true;

  const turn = async <T>(change: () => T): Promise<T> => {
    if (stale) {
      await load();
      // Loading may itself have something to say.
      await commit();
      stale = false;
    }
    let result: T;
    try {
      result = change();
    } catch (error) {
      stale = !(error instanceof TagalongError);
      throw error;
    }
    // Until it is written, nobody can say what is true.
    stale = true;
    await commit();
    stale = false;
    return result;
  };
  return {
    work(change) {
      waiting++;
      const mine = last
        .then(() => turn(change))
        .finally(() => {
          waiting--;
        });
      last = mine.catch(() => {});
      return mine;
    },
    get busy() {
      return waiting > 0;
    },
    async idle() {
      while (waiting > 0) await last;
    },
    get sound() {
      return !stale || waiting > 0;
    },
  };
}
