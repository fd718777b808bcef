/** The bare client of a server, for comparison with the bus beside it. */

/** A consumer of what is on the bus with a prefix, that does nothing but turn events from JSON and acknowledge them. */
export interface Bare {
  /** From now on events are there for it. */
  begin(): Promise<void>;
  /** Takes so many location events. @returns how many a second, from the first on */
  consume(count: number): Promise<number>;
  /** Removes from the server what bus and store made there, and leaves. */
  remove(): Promise<void>;
}

/** Measures how fast events come, from the first that is taken on: what it takes to join a group is not meant. */
export function stopwatch(count: number) {
  const { promise, resolve } = Promise.withResolvers<number>();
  let [taken, began, counted] = [0, 0, 0];
  return {
    /** Events a second, when all have come. */
    rate: promise,
    take(events: number) {
      // The first batch starts the clock: what it took to be fetched is not known.
      if (taken === 0) began = performance.now();
      else counted += events;
      taken += events;
      if (taken >= count) resolve((counted / (performance.now() - began)) * 1_000);
    },
  };
}
