import { describe, expect, test } from 'vitest';
import { type Fact, type FactOf, PHASES } from '#shared/events/index.ts';
import type { Migrations } from '#shared/migration/migrations.ts';
import { core, decided, done, failed, inPhase, inspected, LIMITS, measured, outputOf, state } from './world.ts';

const REVERSIBLE = ['prepare', 'announce', 'disk', 'memory'] as const;

describe('a decision that arrives late', () => {
  test('is carried out from its arrival on: its delay counts neither for time-outs nor for the duration', () => {
    const migrations = core();
    migrations.apply(decided('v', 1, { atMs: 1_000 }), 50_000);
    expect(outputOf(migrations)).toEqual(['accepted', 'started', 'begin prepare']);
    migrations.advance(50_000 + LIMITS.stepTimeoutMs - 1);
    expect(outputOf(migrations), 'its first step has the whole time of a step').toEqual([]);
    migrations.report(
      { kind: 'failed', id: 'v:1', step: 'prepare', code: 'X', reason: 'x', measured: measured(0) },
      52_000,
    );
    migrations.report({ kind: 'aborted', id: 'v:1', measured: measured(0) }, 53_000);
    const { fact } = migrations.drain().events[0]!;
    expect(fact.data).toMatchObject({ figures: { durationMs: 3_000 } });
  });

  test('fails if its delay is longer than a move may wait', () => {
    const migrations = core({ ...LIMITS, movesPerSite: 1 });
    migrations.apply(decided('w', 1));
    outputOf(migrations);
    migrations.apply(decided('v', 1, { atMs: 1_000 }), LIMITS.queueMs + 2_000);
    migrations.advance(LIMITS.queueMs + 2_000);
    expect(outputOf(migrations)).toContain('failed');
  });
});

describe('a migration', () => {
  test('orders the six steps, each when the one before is done', () => {
    const migrations = core();
    migrations.apply(decided('v', 1));
    expect(outputOf(migrations)).toEqual(['accepted', 'started', 'begin prepare']);
    expect(done(migrations, 'v:1', 'prepare')).toEqual(['begin announce']);
    expect(done(migrations, 'v:1', 'announce')).toEqual(['begin disk']);
    expect(done(migrations, 'v:1', 'disk')).toEqual(['begin memory']);
    expect(done(migrations, 'v:1', 'memory')).toEqual(['begin switch']);
    expect(done(migrations, 'v:1', 'switch')).toEqual(['switched', 'begin release']);
    expect(done(migrations, 'v:1', 'release')).toEqual(['completed']);
    expect(migrations.live.size).toBe(0);
  });

  test('ignores answers to other steps', () => {
    const migrations = inPhase('disk');
    expect(done(migrations, 'v:1', 'prepare')).toEqual([]);
    expect(failed(migrations, 'memory')).toEqual([]);
    expect(state(migrations)).toBe('disk');
  });

  test.each([...REVERSIBLE, 'switch'] as const)('is undone when %s fails, and then fails', (step) => {
    const migrations = inPhase(step);
    expect(failed(migrations, step)).toEqual(['abort']);
    migrations.report({ kind: 'aborted', id: 'v:1', measured: measured(3) }, 9);
    const fact = migrations.drain().events[0]!.fact as FactOf<'migration.failed.v1'>;
    expect(fact.type).toBe('migration.failed.v1');
    expect(fact.data).toMatchObject({ phase: step, code: 'BROKEN', runsAt: 'a', figures: { bytes: 3, durationMs: 9 } });
  });

  test.each(REVERSIBLE)('can be cancelled in %s', (step) => {
    const migrations = inPhase(step);
    migrations.cancel('v:1', 'operator', 3);
    expect(outputOf(migrations)).toEqual(['abort']);
    migrations.report({ kind: 'aborted', id: 'v:1', measured: measured(3) }, 9);
    expect(outputOf(migrations)).toEqual(['cancelled']);
  });

  test('fails with UNDO_FAILED and the source of the cancellation if it cannot be undone', () => {
    const migrations = inPhase('memory');
    migrations.cancel('v:1', 'operator', 3);
    expect(outputOf(migrations)).toEqual(['abort']);
    // The migrator repeats the abort, and each time the hypervisor reports that nothing has changed.
    let ended: Fact | undefined;
    for (let tries = 1; ended === undefined && tries < 20; tries++) {
      expect(failed(migrations, 'abort')).toEqual(['inspect']);
      const report = { kind: 'inspected', id: 'v:1', runsAt: 'a', done: [], underWay: undefined } as const;
      migrations.report({ ...report, measured: measured(2) }, 9);
      ended = migrations.drain().events[0]?.fact;
    }
    expect(ended?.type).toBe('migration.failed.v1');
    expect(ended?.data).toMatchObject({
      code: 'UNDO_FAILED',
      reason: expect.stringContaining('cancelled by operator'),
      runsAt: 'a',
    });
  });

  test.each(['switch', 'release'] as const)('cannot be cancelled from %s on', (step) => {
    const migrations = inPhase(step);
    const tooLate = expect.objectContaining({ code: 'MIGRATION_PAST_CANCEL' });
    expect(() => migrations.cancel('v:1', 'operator', 3)).toThrow(tooLate);
    migrations.apply(decided('v', 2, { verdict: 'cancel', cancels: 'v:1' }));
    expect(outputOf(migrations)).toEqual([]);
    expect(state(migrations)).toBe(step);
    // It cannot be cancelled during the inspection of the switch-over either.
    migrations.resume(4);
    migrations.apply(decided('v', 2, { verdict: 'cancel', cancels: 'v:1' }));
    expect(() => migrations.cancel('v:1', 'operator', 5)).toThrow(tooLate);
    // Otherwise a VM in a hanging switch-over would be reported lost, and not resumed.
    expect([...migrations.live.values()][0]!.migration.undo).toBeNull();
    expect(inspected(migrations, 'b', undefined, 5)).toContain('begin release');
  });

  test('that is cancelled while it waits never begins', () => {
    const migrations = core();
    for (const vm of ['v', 'w']) migrations.apply(decided(vm, 1));
    outputOf(migrations);
    migrations.cancel('w:1', 'operator', 3);
    expect(outputOf(migrations)).toEqual(['cancelled']);
    expect(() => migrations.cancel('w:1', 'operator', 4)).toThrow(
      expect.objectContaining({ code: 'MIGRATION_UNKNOWN' }),
    );
  });

  test('that waits too long fails with QUEUE_TIMEOUT', () => {
    const migrations = core({ ...LIMITS, stepTimeoutMs: 1e6 });
    for (const vm of ['v', 'w']) migrations.apply(decided(vm, 1));
    migrations.drain();
    migrations.advance(LIMITS.queueMs);
    const ends = migrations.drain().events.filter(({ id }) => id === 'w:1:end');
    expect(ends.map(({ fact }) => fact.data)).toMatchObject([
      { code: 'QUEUE_TIMEOUT', phase: 'queue', runsAt: 'a', figures: { durationMs: 0 } },
    ]);
  });

  test('that waits does not delay later ones on other sites', () => {
    const migrations = core();
    migrations.apply(decided('v', 1));
    migrations.apply(decided('w', 1));
    outputOf(migrations);
    migrations.apply(decided('x', 1, { from: 'c', to: 'd' }));
    expect(outputOf(migrations)).toEqual(['accepted', 'started', 'begin prepare']);
    expect(done(migrations, 'v:1', 'prepare')).toEqual(['begin announce']);
    migrations.cancel('v:1', 'operator', 3);
    migrations.report({ kind: 'aborted', id: 'v:1', measured: measured(0) }, 4);
    expect(outputOf(migrations)).toContain('begin prepare');
  });

  test('completes as degraded after several failed releases', () => {
    const migrations = inPhase('release');
    for (let i = 0; i < 5; i++) expect(failed(migrations, 'release')).toEqual(['begin release']);
    migrations.report(
      { kind: 'failed', id: 'v:1', step: 'release', code: 'X', reason: 'a test', measured: measured(2) },
      5,
    );
    const fact = migrations.drain().events[0]!.fact as FactOf<'migration.completed.v1'>;
    expect(fact.data.figures.degraded).toEqual(['release-incomplete']);
  });

  test('fails at its destination, with the next step, if the VM has died there', () => {
    const migrations = inPhase('release');
    const code = 'VM_NOT_RUNNING';
    migrations.report(
      { kind: 'failed', id: 'v:1', step: 'release', code, reason: 'start it again', measured: measured(2) },
      5,
    );
    const { events, orders } = migrations.drain();
    expect(orders).toEqual([]);
    expect(events).toMatchObject([
      { fact: { type: 'migration.failed.v1', data: { code, reason: 'start it again', runsAt: 'b' } } },
    ]);
  });
});

describe('the migrator asks for the true state', () => {
  test.each(PHASES)('after a restart in %s', (step) => {
    const migrations = inPhase(step);
    migrations.resume(4);
    expect(outputOf(migrations)).toEqual(['inspect']);
    expect(state(migrations)).toBe('asking');
  });

  test('and orders a step under way again, to wait for it', () => {
    const migrations = inPhase('memory');
    migrations.resume(4);
    outputOf(migrations);
    expect(inspected(migrations, 'a', 'memory', 3)).toEqual(['begin memory']);
    expect(state(migrations)).toBe('memory');
  });

  test('and orders a recorded step that was never ordered', () => {
    const migrations = inPhase('disk');
    migrations.resume(4);
    outputOf(migrations);
    expect(inspected(migrations, 'a', undefined, 2)).toEqual(['begin disk']);
  });

  test('and waits for a VM in its switch-over', () => {
    const migrations = inPhase('switch');
    migrations.resume(4);
    outputOf(migrations);
    expect(inspected(migrations, undefined, 'switch', 4)).toEqual(['begin switch']);
    expect(state(migrations)).toBe('switch');
  });

  test('and announces an arrival once', () => {
    const migrations = inPhase('switch');
    migrations.resume(4);
    outputOf(migrations);
    expect(inspected(migrations, 'b', undefined, 5)).toEqual(['switched', 'begin release']);
    migrations.resume(6);
    outputOf(migrations);
    expect(inspected(migrations, 'b', undefined, 5)).toEqual(['begin release']);
  });

  test('and goes forward if the VM has left before the abort', () => {
    const migrations = inPhase('memory');
    migrations.cancel('v:1', 'operator', 3);
    outputOf(migrations);
    expect(failed(migrations, 'abort', 'PAST_CANCEL')).toEqual(['inspect']);
    expect(inspected(migrations, 'b', undefined, 5)).toEqual(['switched', 'begin release']);
    expect(done(migrations, 'v:1', 'release')).toEqual(['completed']);
  });

  test('and orders an abort again', () => {
    const migrations = inPhase('memory');
    migrations.cancel('v:1', 'operator', 3);
    migrations.resume(4);
    outputOf(migrations);
    expect(inspected(migrations, 'a', undefined, 0)).toEqual(['abort']);
  });

  test('and undoes a failed switch-over after a restart', () => {
    const migrations = inPhase('switch');
    expect(failed(migrations, 'switch', 'BROKEN')).toEqual(['abort']);
    migrations.resume(4);
    outputOf(migrations);
    expect(inspected(migrations, undefined, 'switch', 4)).toEqual(['abort']);
  });

  /** Lets steps time out, and calls `answer` after each. @returns the events and orders */
  const silence = (migrations: Migrations, rounds: number, answer: (i: number) => void) => {
    const all: string[] = [];
    for (let i = 0; i < rounds && migrations.live.size > 0; i++) {
      migrations.advance(migrations.nextWakeMs()!);
      all.push(...outputOf(migrations));
      answer(i);
      all.push(...outputOf(migrations));
    }
    return all;
  };
  const at = (migrations: Migrations) => migrations.nextWakeMs()! - LIMITS.stepTimeoutMs;
  const progress = (migrations: Migrations, runsAt: string | undefined, bytes: number) =>
    migrations.report(
      { kind: 'inspected', id: 'v:1', runsAt, done: PHASES.slice(0, 3), underWay: 'memory', measured: measured(bytes) },
      at(migrations),
    );

  test('and undoes a step that hangs', () => {
    const migrations = inPhase('memory');
    const output = silence(migrations, 20, () => progress(migrations, 'a', 1));
    expect(output.filter((word) => word === 'inspect').length).toBeGreaterThan(3);
    expect(output).toContain('abort');
  });

  test('and waits for a step that sends bytes, for any time', () => {
    const migrations = inPhase('memory');
    const output = silence(migrations, 50, (i) => progress(migrations, 'a', i + 2));
    expect(output).not.toContain('abort');
    expect(state(migrations)).toBe('memory');
  });

  test('and fails the migration without any answer', () => {
    const migrations = inPhase('memory');
    expect(silence(migrations, 50, () => {}).at(-1)).toBe('failed');
  });

  test('and continues a switch-over that cannot be undone', () => {
    const migrations = inPhase('switch');
    failed(migrations, 'switch');
    expect(failed(migrations, 'abort')).toEqual(['inspect']);
    const done = PHASES.slice(0, 4);
    const truth = {
      kind: 'inspected',
      id: 'v:1',
      runsAt: undefined,
      done,
      underWay: 'switch',
      onlyForward: true,
    } as const;
    migrations.report({ ...truth, measured: measured(1) }, 5);
    expect(outputOf(migrations)).toEqual(['begin switch']);
    expect(state(migrations)).toBe('switch');
  });

  test('and releases the source of a VM that has died at its destination', () => {
    const migrations = inPhase('switch');
    migrations.resume(4);
    migrations.drain();
    expect(inspected(migrations, undefined, 'release', 5)).toEqual(['begin release']);
  });

  test('and fails the migration of a VM that runs nowhere, with the next step, if an abort does not help', () => {
    const migrations = inPhase('memory');
    const lost = () =>
      migrations.report(
        {
          kind: 'inspected',
          id: 'v:1',
          runsAt: undefined,
          done: PHASES.slice(0, 3),
          underWay: undefined,
          measured: measured(1),
        },
        at(migrations),
      );
    const facts: string[] = [];
    for (let i = 0; i < 50 && migrations.live.size > 0; i++) {
      migrations.advance(migrations.nextWakeMs()!);
      lost();
      for (const { fact } of migrations.drain().events) {
        if (fact.type === 'migration.failed.v1') facts.push(`${fact.data.code} ${fact.data.reason}`);
      }
    }
    expect(facts).toHaveLength(1);
    expect(facts[0]).toMatch(/^VM_NOT_RUNNING .*declare it/);
  });
});

describe('a decision that arrives again', () => {
  test('is not carried out twice', () => {
    const migrations = inPhase('release');
    done(migrations, 'v:1', 'release');
    migrations.apply(decided('v', 1));
    expect(outputOf(migrations)).toEqual([]);
  });

  test('stays refused, although the VM is free now', () => {
    const migrations = inPhase('release');
    migrations.apply(decided('v', 2));
    expect(outputOf(migrations)).toEqual(['failed']);
    migrations.apply(decided('v', 2));
    expect(outputOf(migrations)).toEqual([]);
    expect(done(migrations, 'v:1', 'release')).toEqual(['completed']);
    migrations.apply(decided('v', 2));
    expect(outputOf(migrations)).toEqual([]);
    migrations.apply(decided('v', 3));
    expect(outputOf(migrations)).toContain('accepted');
  });

  test('is ignored by a restored core, which also keeps to the limits', () => {
    const before = core();
    before.apply(decided('v', 1));
    before.apply(decided('w', 1));
    const kept = before.drain().records.map(({ state, migration }) => JSON.parse(JSON.stringify({ state, migration })));
    const migrations = before.withoutMigrations();
    for (const one of kept) migrations.restore(one);
    migrations.resume(5);
    expect(outputOf(migrations)).toEqual(['inspect']);
    migrations.apply(decided('v', 1));
    migrations.apply(decided('w', 1));
    migrations.apply(decided('x', 1));
    expect(outputOf(migrations)).toEqual(['accepted']);
  });
});
