import { expect, test } from 'vitest';
import { EVENT_TYPES, type Figures, TERMINAL_TYPES } from '#shared/events/index.ts';
import { endOf, isEnd } from '#shared/migration/outcome.ts';

const figures = {
  durationMs: 1,
  pauseMs: 1,
  interruptionMs: 1,
  bytes: 1,
  bytesByPath: {},
  rounds: 1,
  subflows: 1,
  degraded: [],
};
const move = { migration: 'v:1', vm: 'v', from: 'boston', to: 'new-york', atMs: 1, figures: figures satisfies Figures };

test('a migration ends in the terminal types, and in no other one', () => {
  expect(EVENT_TYPES.filter((type) => isEnd({ type }))).toEqual(TERMINAL_TYPES);
});

test('the VM runs at the destination after a completed move, and at the source after a cancelled one', () => {
  expect(endOf({ type: 'migration.completed.v1', data: move })).toEqual({
    outcome: 'completed',
    runsAt: 'new-york',
    because: '',
  });
  expect(endOf({ type: 'migration.cancelled.v1', data: { ...move, phase: 'disk', by: 'operator' } })).toEqual({
    outcome: 'cancelled',
    runsAt: 'boston',
    because: 'by operator in disk',
  });
});

test('the event of a failed move names the site of the VM', () => {
  const why = { phase: 'switch', code: 'STUCK', reason: 'no answer' } as const;
  for (const runsAt of ['boston', 'new-york']) {
    expect(endOf({ type: 'migration.failed.v1', data: { ...move, ...why, runsAt } })).toEqual({
      outcome: 'failed',
      runsAt,
      because: 'STUCK in switch: no answer',
    });
  }
});
