/** The bare client of a server, for comparison with the bus beside it. */

/** A consumer of the events with a prefix, that only parses them from JSON and acknowledges them. */
export interface Bare {
  /** From now on events are there for it. */
  begin(): Promise<void>;
  /** Takes this number of location events. @returns how many a second, from the first on */
  consume(count: number): Promise<number>;
  /** Removes the data of bus and store from the server, and disconnects. */
  remove(): Promise<void>;
}

/** Measures the rate of events from the first one on, without the time to join a group. */
export function stopwatch(count: number) {
  const { promise, resolve } = Promise.withResolvers<number>();
  let [taken, began, counted] = [0, 0, 0];
  return {
    /** Events a second, when all have come. */
    rate: promise,
    take(events: number) {
      // The first batch starts the clock, because the time to fetch it is unknown.
      if (taken === 0) began = performance.now();
      else counted += events;
      taken += events;
      if (taken >= count) resolve((counted / (performance.now() - began)) * 1_000);
    },
  };
}
