/** Which events of a move the migrator's record of its VM proves. */
import { describe, expect, test } from 'vitest';
import { judgeMove } from '#services/placement/move-proof.ts';
import type { KeptMigration } from '#shared/migration/kept.ts';
import { NOTHING_MEASURED } from '#shared/model/measured.ts';
import { SPEC } from '../../shared/policy/world.ts';

type Fact = Parameters<typeof judgeMove>[0];
const names = { migration: 'v:3', vm: 'v', from: 'a', to: 'b', atMs: 9 };
const figures = {
  ...{ durationMs: 1, pauseMs: 1, interruptionMs: 1, bytes: 0, bytesByPath: {}, rounds: 0, subflows: 0 },
  degraded: [],
};
const accepted: Fact = { type: 'migration.accepted.v1', data: names };
const switched: Fact = { type: 'migration.switched.v1', data: { ...names, pauseMs: 1 } };
const completed: Fact = { type: 'migration.completed.v1', data: { ...names, figures } };
const cancelled: Fact = { type: 'migration.cancelled.v1', data: { ...names, phase: 'queue', by: 'x', figures } };
const failed = (runsAt: string): Fact => ({
  type: 'migration.failed.v1',
  data: { ...names, phase: 'queue', code: 'X', reason: 'x', runsAt, figures },
});
const kept = (
  state: KeptMigration['state'],
  more: Partial<KeptMigration['migration']> = {},
  outbox: readonly unknown[] = [],
) => ({
  state,
  outbox,
  migration: {
    ...{ id: 'v:3', vm: 'v', seq: 3, from: 'a', to: 'b', spec: SPEC, paths: [], acceptedAtMs: 1, startedAtMs: 1 },
    ...{ phase: 'memory', phaseAtMs: {}, deadlineMs: null, measured: NOTHING_MEASURED, switchAtMs: null },
    ...{ clientGapMs: null, switched: false, undo: null, retries: 0, runsAt: 'a', endedAtMs: null },
    ...more,
  } as KeptMigration['migration'],
});
const fits = (fact: Fact, record: Parameters<typeof judgeMove>[1]) => judgeMove(fact, record) === undefined;

describe('the record of the same move', () => {
  test('proves its own state, and no other one', () => {
    const all = [accepted, switched, completed, cancelled, failed('a'), failed('b')];
    const proven = (record: ReturnType<typeof kept>) => all.map((fact) => fits(fact, record));
    expect(proven(kept('queued'))).toEqual([true, false, false, false, false, false]);
    expect(proven(kept('release', { switched: true, runsAt: 'b' }))).toEqual([true, true, false, false, false, false]);
    expect(proven(kept('completed', { switched: true, runsAt: 'b' }))).toEqual([true, true, true, false, false, false]);
    expect(proven(kept('cancelled'))).toEqual([true, false, false, true, false, false]);
    expect(proven(kept('failed'))).toEqual([true, false, false, false, true, false]);
    expect(proven(kept('failed', { switched: true, runsAt: 'b' }))).toEqual([true, true, false, false, false, true]);
  });

  test('refutes an end with other figures than the written ones', () => {
    const record = (data: unknown) => kept('completed', { switched: true }, [{ type: completed.type, data }]);
    expect(fits(completed, record(completed.data))).toBe(true);
    expect(fits(completed, record({ ...names, figures: { ...figures, durationMs: 2 } }))).toBe(false);
  });
});

describe('the record of another move', () => {
  test('with a higher number proves a refusal only, with the VM at one of the two sites', () => {
    const busy = kept('memory', { id: 'v:2', seq: 3 });
    expect([failed('a'), failed('b'), cancelled].map((fact) => fits(fact, busy))).toEqual([true, true, true]);
    expect([accepted, switched, completed, failed('c')].map((fact) => fits(fact, busy))).toEqual(Array(4).fill(false));
  });

  test('with a lower number proves nothing', () => {
    for (const fact of [accepted, switched, completed, cancelled, failed('a')]) {
      expect([fits(fact, kept('completed', { id: 'v:2', seq: 2 })), fits(fact, undefined)]).toEqual([false, false]);
    }
  });
});

test('a record that this program cannot read refutes nothing: a newer migrator may have written it', () => {
  expect(fits(completed, 'unreadable')).toBe(true);
});
