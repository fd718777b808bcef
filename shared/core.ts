import type { Fact } from './events/index.ts';

/**
 * A deterministic state machine over many entities (VMs, migrations). It does no I/O: it takes facts and the time, and collects
 * its output until the caller drains it. A live service, a replay and a simulation drive the same core.
 *
 * @typeParam Output the result of `drain`: records to write, events to publish, commands to execute
 */
export interface Core<Output> {
  /**
   * Applies a fact. A late or repeated fact changes nothing, nor does one that does not concern this core.
   * @param nowMs the clock, in whole milliseconds
   */
  apply(fact: Fact, nowMs: number): void;
  /** Advances the time: handles every deadline up to `nowMs`, in order. */
  advance(nowMs: number): void;
  /** The time of the next deadline; undefined: there is none, and only facts can change anything. */
  nextWakeMs(): number | undefined;
  /** Everything that changed since the last call: records to write, events to publish, commands to execute. */
  drain(): Output;
}
