import { describe, expect, test } from 'vitest';
import { type Line, line } from './world.ts';

/** Orders the VM there and waits until it has arrived. */
function move(l: Line, to: string): { errorPercent: number; predictedMs: number } {
  l.order('v', to);
  const predictedMs = l.decided('move').at(-1)!.prediction!.durationMs;
  l.pass(600_000);
  const measuredMs = l.ended().at(-1)!.figures.durationMs;
  return { predictedMs, errorPercent: Math.abs(predictedMs / measuredMs - 1) * 100 };
}

describe.each([2, 4])('moves from s0 to s1 are carried at a rate %i times smaller than was promised', (factor) => {
  test('after a move or two the predictions for that way are right, and those for others are untouched', () => {
    const l = line(3, undefined, ({ from, to }, step) =>
      step === 'prepare' && from === 's0' && to === 's1' ? { kind: 'slow', factor } : undefined,
    );
    l.vm('v', 's0');
    const there: number[] = [];
    const back: number[] = [];
    const elsewhere: number[] = [];
    for (let round = 0; round < 4; round++) {
      there.push(move(l, 's1').errorPercent);
      back.push(move(l, 's0').errorPercent);
      elsewhere.push(move(l, 's2').errorPercent);
      move(l, 's0');
    }
    expect(there[0]).toBeGreaterThan(30);
    for (const error of there.slice(2)) expect(error).toBeLessThan(10);
    for (const error of [...back, ...elsewhere]) expect(error).toBeLessThan(5);
  });
});
