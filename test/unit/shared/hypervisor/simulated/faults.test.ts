import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PHASES, type Phase } from '#shared/events/index.ts';
import type { Move } from '#shared/hypervisor/hypervisor.ts';
import type { Fault } from '#shared/hypervisor/simulated/faults.ts';
import { doneAt, lastMeasured, moveOf, type World, world } from './world.ts';

const UPLINKS = [
  { provider: 'isp1', rateBps: 125e6 },
  { provider: 'isp2', rateBps: 125e6 },
];
const MOVE = moveOf('vm', 'a', 'b');

/** A world in which one step has a fault when it begins first. */
function faulty(step: Phase, fault: Fault): World {
  let met = false;
  const simulated = world({
    faults: (_move, begun) => {
      if (begun !== step || met) return undefined;
      met = true;
      return fault;
    },
  });
  simulated.sites(UPLINKS, 'a', 'b');
  simulated.hypervisor.startVm('vm', 'a');
  simulated.drive(MOVE);
  return simulated;
}

const BROKEN: Fault = { kind: 'fail', code: 'BROKEN', reason: 'a test says so', afterMs: 250 };

describe('a step that fails', () => {
  test.each(PHASES)('%s: the VM stays at its site, and the step can begin again', (step) => {
    const simulated = faulty(step, BROKEN);
    simulated.settle();
    expect(simulated.reportsOf(MOVE.id).at(-1)).toBe(`failed ${step} BROKEN`);
    expect(simulated.hypervisor.running('vm')).toEqual([step === 'release' ? 'b' : 'a']);
    simulated.hypervisor.begin(step, MOVE);
    simulated.settle();
    expect(simulated.reportsOf(MOVE.id).at(-1)).toBe('done release');
    expect(simulated.hypervisor.running('vm')).toEqual(['b']);
  });

  test('a switch that fails counts its pause', () => {
    const simulated = faulty('switch', BROKEN);
    simulated.settle();
    expect(lastMeasured(simulated, MOVE.id)).toMatchObject({ pauseMs: 250, interruptionMs: 260 });
  });
});

describe('a step that hangs', () => {
  test.each(PHASES.slice(0, 5))('%s: gives no report, and an abort runs the VM at its source', (step) => {
    const simulated = faulty(step, { kind: 'hang' });
    simulated.settle();
    simulated.clock.advanceTo(simulated.clock.now() + 3_600_000);
    expect(simulated.reportsOf(MOVE.id)).toEqual(PHASES.slice(0, PHASES.indexOf(step)).map((each) => `done ${each}`));
    expect(simulated.hypervisor.running('vm')).toEqual(step === 'switch' ? [] : ['a']);
    simulated.hypervisor.abort(MOVE);
    simulated.settle();
    expect(simulated.reportsOf(MOVE.id).at(-1)).toBe('aborted');
    expect(simulated.hypervisor.running('vm')).toEqual(['a']);
  });
});

test('a slow move gets a part of its paths only', () => {
  const copyMs = (factor: number) => {
    const simulated = faulty('memory', { kind: 'slow', factor });
    simulated.settle();
    return doneAt(simulated, MOVE.id, 'memory')! - doneAt(simulated, MOVE.id, 'disk')!;
  };
  // The guest goes on writing, so that the copy takes more than four times as long.
  expect(copyMs(4) / copyMs(1)).toBeGreaterThan(4);
});

describe('with any orders and faults', () => {
  const SITES = ['a', 'b', 'c'];
  const fault = fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    { weight: 2, arbitrary: fc.constant<Fault>(BROKEN) },
    { weight: 1, arbitrary: fc.constant<Fault>({ kind: 'hang' }) },
    { weight: 1, arbitrary: fc.constant<Fault>({ kind: 'slow', factor: 3 }) },
  );
  // Most orders are the next step, so that moves get far. Wrong orders and aborts come between.
  const orders = fc.array(
    fc.record({
      move: fc.nat(3),
      order: fc.oneof(
        { weight: 8, arbitrary: fc.constant('next' as const) },
        { weight: 2, arbitrary: fc.constantFrom(...PHASES) },
        { weight: 1, arbitrary: fc.constant('abort' as const) },
      ),
      thenMs: fc.constantFrom(0, 1, 500, 20_000),
    }),
    { maxLength: 60 },
  );

  /** Asserts that each begin has its answer, unless it joined a step under way, an abort replaced it, or the step hangs. */
  const expectAnswered = (simulated: World, moves: readonly Move[], begun: ReadonlyMap<string, number>) => {
    for (const { id, ...move } of moves) {
      simulated.hypervisor.inspect({ id, ...move });
      simulated.settle();
      const last = simulated.reports.at(-1)!.report;
      const excused = last.kind === 'inspected' ? last.underWay : undefined;
      for (const step of PHASES) {
        const begins = begun.get(`${id} ${step}`) ?? 0;
        const answers = simulated
          .reportsOf(id)
          .filter((report) => report.startsWith(`done ${step}`) || report.startsWith(`failed ${step}`)).length;
        expect(answers).toBeLessThanOrEqual(begins);
        if (begins > 0 && step !== excused && !simulated.reportsOf(id).includes('aborted')) {
          expect(answers).toBeGreaterThan(0);
        }
      }
    }
  };

  test('the VM never runs at two sites and is never lost, and each begin gets an answer', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fault), orders, (faults, steps) => {
        const simulated = world({ faults: () => faults.next().value });
        const { hypervisor, clock } = simulated;
        simulated.sites(UPLINKS, ...SITES);
        hypervisor.startVm('vm', 'a');
        const moves = [moveOf('vm', 'a', 'b'), moveOf('vm', 'b', 'c'), moveOf('vm', 'c', 'a'), moveOf('vm', 'a', 'c')];
        const begun = new Map<string, number>();
        const once = () => expect(hypervisor.running('vm').length).toBeLessThanOrEqual(1);

        for (const { move: index, order, thenMs } of steps) {
          const move = moves[index]!;
          const done = simulated.reportsOf(move.id).filter((report) => report.startsWith('done')).length;
          if (order === 'abort') hypervisor.abort(move);
          else {
            const step = order === 'next' ? PHASES[Math.min(done, 5)]! : order;
            hypervisor.begin(step, move);
            begun.set(`${move.id} ${step}`, (begun.get(`${move.id} ${step}`) ?? 0) + 1);
          }
          once();
          const untilMs = clock.now() + thenMs;
          while (clock.step(untilMs)) once();
          clock.advanceTo(untilMs);
        }
        simulated.settle();
        expectAnswered(simulated, moves, begun);
        // An abort ends a step that hangs. Then the VM runs at one site.
        for (const move of moves) hypervisor.abort(move);
        simulated.settle();
        expect(hypervisor.running('vm')).toHaveLength(1);
        expect(SITES.flatMap((site) => hypervisor.vmsAt(site))).toEqual(['vm']);
        expect(clock.nextMs()).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });
});
