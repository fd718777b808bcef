import type { Fact } from './events/index.ts';

/**
 * A deterministic state machine over many entities (VMs, migrations). It does no I/O: facts and the time come in, and what
 * follows from them is collected until somebody drains it. A live service, a replay and a simulation drive the same core.
 *
 * @typeParam Output what the core hands out: records to write, events to publish, commands to execute
 */
export interface Core<Output> {
  /**
   * Applies a fact. A fact that arrives late or twice, or that does not concern this core, changes nothing.
   * @param nowMs the clock, in whole milliseconds
   */
  apply(fact: Fact, nowMs: number): void;
  /** Lets time pass: meets every deadline up to `nowMs`, in order. */
  advance(nowMs: number): void;
  /** When `advance` has something to do; undefined: only facts can change anything. */
  nextWakeMs(): number | undefined;
  /** Everything that changed since the last call: records to write, events to publish, commands to execute. */
  drain(): Output;
}
