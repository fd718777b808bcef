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
  /** Says that the store has more to say, or less, than what was loaded: it is loaded anew before the next change. */
  invalidate(): void;
  /** True, or why the core is not what the store says: it could not be loaded, or the last change not be written. */
  readonly lastWriteOk: true | string;
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
  // What the core has to be made of, and is: counted, because it may be outdated again while it is loaded or written.
  let wanted = 1;
  let loaded = 0;
  let fault = 'its state is not loaded yet';
  const invalidate = () => {
    wanted++;
  };

  const during = async (doing: 'loaded' | 'written', step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      fault = `its state could not be ${doing} (${error instanceof TagalongError ? error.code : 'INTERNAL'})`;
      throw error;
    }
  };

  const turn = async <T>(change: () => T): Promise<T> => {
    while (loaded !== wanted) {
      const loading = wanted;
      await during('loaded', load);
      // Loading may itself have something to say.
      await during('written', commit);
      loaded = loading;
    }
    let result: T;
    try {
      result = change();
    } catch (error) {
      if (!(error instanceof TagalongError)) invalidate();
      throw error;
    }
    try {
      await during('written', commit);
    } catch (error) {
      // Until it is written, nobody can say what is true.
      invalidate();
      throw error;
    }
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
    invalidate,
    get lastWriteOk() {
      return loaded === wanted || waiting > 0 || fault;
    },
  };
}
