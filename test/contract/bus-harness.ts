import type { Bus } from '#shared/bus/bus.ts';

/** A new, empty bus of an adapter, for one test. */
export interface BusHarness {
  readonly bus: Bus;
  /** Resolves when the groups with members have handled all published events, including dead letters. */
  settle(): Promise<void>;
  /** Connects to the same bus as another process does; undefined for a bus that lives in one process. */
  connect?(): Promise<Bus>;
  close(): Promise<void>;
}
