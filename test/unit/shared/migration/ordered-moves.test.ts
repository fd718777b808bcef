import { expect, test } from 'vitest';
import type { Data, Figures } from '#shared/events/index.ts';
import { type MigrationFact, OrderedMoves } from '#shared/migration/ordered-moves.ts';
import { decided } from './world.ts';

const NOW_MS = 1_000_000;
const FIGURES: Figures = {
  durationMs: 9_000,
  pauseMs: 90,
  interruptionMs: 95,
  bytes: 1,
  bytesByPath: {},
  rounds: 1,
  subflows: 1,
  phaseMs: { memory: 8_000 },
  degraded: [],
};
const MOVE = { migration: 'v:1', vm: 'v', from: 'a', to: 'b', atMs: NOW_MS };
const decision = (seq = 1, more: Partial<Data<'placement.decided.v1'>> = {}) =>
  decided('v', seq, { atMs: NOW_MS - 10_000, ...more }).data as Data<'placement.decided.v1'>;
const started = (more = {}): MigrationFact => ({ type: 'migration.started.v1', data: { ...MOVE, paths: [], ...more } });
const completed = (figures: Partial<Figures> = {}, atMs = NOW_MS): MigrationFact => ({
  type: 'migration.completed.v1',
  data: { ...MOVE, atMs, figures: { ...FIGURES, ...figures } },
});

function ordered(): OrderedMoves {
  const moves = new OrderedMoves();
  moves.decided(decision());
  return moves;
}

test('a move fits its decision until its end, and later events of the move are late', () => {
  const moves = ordered();
  expect(moves.judge(started(), NOW_MS)).toBe('fits');
  expect(moves.judge(completed(), NOW_MS)).toBe('fits');
  // The decision is delivered again.
  moves.decided(decision());
  expect(moves.judge(completed(), NOW_MS)).toBe('late');
  expect(moves.judge(started(), NOW_MS)).toBe('late');
});

test('a decision not to move orders nothing', () => {
  const moves = new OrderedMoves();
  moves.decided(decision(1, { verdict: 'stay' }));
  expect(moves.judge(started(), NOW_MS)).toBe('unknown');
});

test.each([{ vm: 'w' }, { from: 'c' }, { to: 'c' }, { from: 'b', to: 'a' }])('%o contradicts the decision', (wrong) => {
  const moves = ordered();
  expect(moves.judge(started(wrong), NOW_MS)).toBe('contradicts');
  expect(moves.judge(completed(), NOW_MS)).toBe('fits');
});

test.each<Partial<Figures>>([
  { durationMs: 80_000 },
  { pauseMs: 80_000 },
  { interruptionMs: 80_000 },
  { hypervisorDowntimeMs: 80_000 },
  { phaseMs: { memory: 1, switch: 80_000 } },
])('%o is longer than the time since the decision, and ends nothing', (figures) => {
  const moves = ordered();
  expect(moves.judge(completed(figures), NOW_MS)).toBe('contradicts');
  // An end in the future does not make room for it.
  expect(moves.judge(completed(figures, NOW_MS + 1e9), NOW_MS)).toBe('contradicts');
  expect(moves.judge(completed(), NOW_MS)).toBe('fits');
});

test('clocks of two hosts may differ by up to a minute', () => {
  expect(ordered().judge(completed({ durationMs: 65_000 }), NOW_MS)).toBe('fits');
  expect(ordered().judge(completed({}, NOW_MS - 40_000), NOW_MS)).toBe('fits');
});

test('remembers the last 10,000 moves with their predictions, and not many more', () => {
  const prediction = { durationMs: 1, interruptionMs: 1, bytes: 1, costUserMs: 1, benefitUserMs: 1 };
  const moves = new OrderedMoves();
  for (let seq = 1; seq <= 30_000; seq++) moves.decided(decision(seq, { prediction }));
  expect(moves.of('v:20001')).toEqual({ vm: 'v', from: 'a', to: 'b', atMs: NOW_MS - 10_000, prediction });
  expect(moves.of('v:10000')).toBeUndefined();
});
