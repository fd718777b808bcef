/**
 * The cost of one event for the machine of a VM, three ways: the guard check that most evaluations end with, a step of
 * shared/state-machine, and xstate's own `transition()`.
 */
import { transition } from 'xstate';
import { wouldNotTransition } from '#shared/policy/decide/guards.ts';
import { vmMachine } from '#shared/policy/decide/machine.ts';
import type { Evaluation } from '#shared/policy/evaluate/evaluation.ts';
import { newVmContext } from '#shared/policy/state/vm-context.ts';
import { stepper } from '#shared/state-machine/stepper.ts';
import { type BenchRow, median } from './bench.ts';

const REPEATS = 5;

/** Rows in nanoseconds an event: the median of five runs each. */
export function transitionRows(): BenchRow[] {
  const machine = vmMachine({ coolingMs: 30_000, backOffMs: 60_000, maxBackOffMs: 1_800_000 });
  const step = stepper(machine);
  const context = newVmContext('vm', 0);
  const settled = machine.resolveState({ value: 'settled', context });
  const same: Evaluation = {
    populated: true,
    homeLost: null,
    advice: { kind: 'stay', reason: 'home-is-best' },
    refuge: undefined,
    targetGain: 0,
  };
  const better: Evaluation = { ...same, advice: { kind: 'blocked', reason: 'full' } };
  const event = (atMs: number) => ({ type: 'evaluated' as const, atMs, evaluation: better });
  const row = (metric: string, events: number, once: (atMs: number) => unknown): BenchRow => ({
    metric,
    value: nsEach(events, once),
    unit: 'ns',
  });
  return [
    row('an evaluation that changes no state: the check', 2_000_000, (atMs) =>
      wouldNotTransition('settled', context, same, atMs),
    ),
    row('an evaluation that changes the state: a step', 500_000, (atMs) => step('settled', context, event(atMs))),
    row("  the same by xstate's transition()", 5_000, (atMs) => transition(machine, settled, event(atMs))),
  ];
}

function nsEach(events: number, once: (atMs: number) => unknown): number {
  let last: unknown;
  const run = () => {
    const from = process.hrtime.bigint();
    for (let atMs = 0; atMs < events; atMs++) last = once(atMs);
    return Number(process.hrtime.bigint() - from) / events;
  };
  run();
  const ns = median(Array.from({ length: REPEATS }, run));
  // Uses the result, so that the compiler cannot remove the work.
  if (last === undefined) throw new Error('nothing was measured');
  return ns;
}
