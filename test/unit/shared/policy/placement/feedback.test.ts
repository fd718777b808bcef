import { describe, expect, test } from 'vitest';
import { type Line, line, SPEC } from '../world.ts';

/** Orders a move, and waits for its arrival. */
function move(l: Line, to: string): { errorPercent: number; predictedMs: number } {
  l.order('v', to);
  const predictedMs = l.decided('move').at(-1)!.prediction!.durationMs;
  l.pass(600_000);
  const measuredMs = l.ended().at(-1)!.figures.durationMs;
  return { predictedMs, errorPercent: Math.abs(predictedMs / measuredMs - 1) * 100 };
}

describe.each([2, 4])('a path from s0 to s1 that is %i times slower than predicted', (factor) => {
  test('has right predictions after two moves; other predictions do not change', () => {
    const l = line(3, undefined, ({ from, to }, step) =>
      step === 'prepare' && from === 's0' && to === 's1' ? { kind: 'slow', factor } : undefined,
    );
    l.vm('v', 's0');
    const there: number[] = [];
    const back: number[] = [];
    const onOtherPair: number[] = [];
    for (let round = 0; round < 4; round++) {
      there.push(move(l, 's1').errorPercent);
      back.push(move(l, 's0').errorPercent);
      onOtherPair.push(move(l, 's2').errorPercent);
      move(l, 's0');
    }
    expect(there[0]).toBeGreaterThan(30);
    for (const error of there.slice(2)) expect(error).toBeLessThan(10);
    for (const error of [...back, ...onOtherPair]) expect(error).toBeLessThan(5);
  });
});

/** Reports a move of this many bytes that was ten times as fast as predicted. @returns the predictions before and after */
function predictedAfter(bytes: number): { before: number; after: number } {
  const l = line(2);
  const spec = { ...SPEC, diskBytes: 1e11 };
  for (const vm of ['first', 'second', 'third']) l.vm(vm, 's0', spec);
  l.order('first', 's1');
  l.pass(3_600_000);
  const like = l.ended().at(-1)!;
  l.order('second', 's1');
  const { decision, prediction } = l.decided('move').at(-1)!;
  const figures = { ...like.figures, bytes, durationMs: prediction!.durationMs / 10, phaseMs: {} };
  l.pass(figures.durationMs);
  const atMs = Math.round(l.clock.now());
  l.world.tell({ type: 'migration.completed.v1', data: { ...like, vm: 'second', migration: decision, atMs, figures } });
  l.order('third', 's1');
  return { before: prediction!.durationMs, after: l.decided('move').at(-1)!.prediction!.durationMs };
}

test('a move back to a kept disk does not change the predictions for a whole disk', () => {
  const whole = predictedAfter(1.01e11);
  expect(whole.after).toBeLessThan(whole.before * 0.8);
  const few = predictedAfter(1e9);
  expect(few.after).toBeCloseTo(few.before);
});
