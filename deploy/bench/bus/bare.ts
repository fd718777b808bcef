/** The bare client of a server, for comparison with the bus beside it. */

/** A consumer of the events below a prefix. It only parses them from JSON and acknowledges them. */
export interface Bare {
  /** Registers the consumer: it receives all events that are published from now on. */
  begin(): Promise<void>;
  /** Consumes this number of location events. @returns events a second, from the first one on */
  consume(count: number): Promise<number>;
  /** Removes the data of bus and store from the server, and disconnects. */
  remove(): Promise<void>;
}

/** Measures the rate of events from the first one on, without the time to join a group. */
export function stopwatch(count: number) {
  const { promise, resolve } = Promise.withResolvers<number>();
  let [taken, began, counted] = [0, 0, 0];
  return {
    /** Resolves with the events a second once all events have arrived. */
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
