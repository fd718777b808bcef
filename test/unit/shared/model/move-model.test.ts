import { describe, expect, test } from 'vitest';
import { aggregateBps, DEFAULT_MOVE_MODEL, predictMove } from '#shared/model/move-model.ts';
import type { Path } from '#shared/model/paths.ts';

const MODEL = { ...DEFAULT_MOVE_MODEL, efficiency: { single: 0.9, multi: 0.8 }, hostRateBps: 1e9 };
const IDLE = {
  ramBytes: 1e9,
  dirtyRateBps: 0,
  workingSetBytes: 0,
  diskBytes: 0,
  downtimeLimitMs: 300,
  targetRttMs: 20,
};

function paths(...ratesBps: number[]): Path[] {
  return ratesBps.map((rateBps, i) => ({ id: `a~b/isp${i}`, provider: `isp${i}`, rateBps }));
}

describe('the rate of a migration', () => {
  test('is a share of one path, another share of several, and at most the limit of the hosts', () => {
    expect(aggregateBps(MODEL, [1e8])).toBe(0.9e8);
    expect(aggregateBps(MODEL, [1e8, 2e8])).toBeCloseTo(2.4e8);
    expect(aggregateBps(MODEL, [1e9, 1e9])).toBe(1e9);
    expect(aggregateBps(MODEL, [])).toBe(0);
  });
});

describe('the prediction of a move', () => {
  test('adds up the six steps', () => {
    const predicted = predictMove(MODEL, { ...IDLE, diskBytes: 9e8 }, paths(1e8), 10);
    const { prepareMs, announceMs, resumeMs, releaseMs } = MODEL;
    const [diskMs, memoryMs, stopCopyMs] = [10_000 + 5, 1e9 / 0.9e5 + 5, 5];
    expect(predicted.durationMs).toBeCloseTo(
      prepareMs.single + announceMs + 10 + diskMs + memoryMs + stopCopyMs + resumeMs + releaseMs,
    );
    expect(predicted.interruptionMs).toBeCloseTo(stopCopyMs + resumeMs + 10);
    expect(predicted.bytes).toBe(1.9e9);
    expect(predicted.converges).toBe(true);
  });

  test('several paths take longer to prepare and less to copy', () => {
    const [one, two] = [predictMove(MODEL, IDLE, paths(1e8), 10), predictMove(MODEL, IDLE, paths(1e8, 1e8), 10)];
    const copyMs = 1e9 / 0.9e5 - 1e9 / 1.6e5;
    expect(one.durationMs - two.durationMs).toBeCloseTo(copyMs - (MODEL.prepareMs.multi - MODEL.prepareMs.single));
  });

  test('does not converge if the guest dirties faster than the paths carry, or without a path', () => {
    const busy = { ...IDLE, dirtyRateBps: 2e8, workingSetBytes: 1e15 };
    expect(predictMove(MODEL, busy, paths(1e8), 10).converges).toBe(false);
    expect(predictMove(MODEL, IDLE, [], 10).converges).toBe(false);
  });
});
