import type { Bus } from '#shared/bus/bus.ts';

/** What an adapter has to offer to be tested. Each is a bus of its own, on which nothing was published before. */
export interface BusHarness {
  readonly bus: Bus;
  /** Resolves when all that was published has been handled by the groups that are there, dead letters included. */
  settle(): Promise<void>;
  /** The same bus as another process has it; absent where the bus lives in one process. */
  connect?(): Promise<Bus>;
  close(): Promise<void>;
}
