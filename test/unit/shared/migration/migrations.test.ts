import { describe, expect, test } from 'vitest';
import { type Fact, type FactOf, PHASES } from '#shared/events/index.ts';
import type { Migrations } from '#shared/migration/migrations.ts';
import { core, decided, done, failed, heard, inPhase, LIMITS, measured, state, truth } from './world.ts';

const REVERSIBLE = ['prepare', 'announce', 'disk', 'memory'] as const;

describe('a decision that was long on its way', () => {
  test('is carried out from now on: what it takes is not what it waited', () => {
    const migrations = core();
    migrations.apply(decided('v', 1, { atMs: 1_000 }), 50_000);
    expect(heard(migrations)).toEqual(['accepted', 'started', 'begin prepare']);
    migrations.advance(50_000 + LIMITS.stepTimeoutMs - 1);
    expect(heard(migrations), 'its first step has all the time of a step').toEqual([]);
    migrations.report(
      { kind: 'failed', id: 'v:1', step: 'prepare', code: 'X', reason: 'x', measured: measured(0) },
      52_000,
    );
    migrations.report({ kind: 'aborted', id: 'v:1', measured: measured(0) }, 53_000);
    const { fact } = migrations.drain().events[0]!;
    expect(fact.data).toMatchObject({ figures: { durationMs: 3_000 } });
  });

  test('is given up where it was longer on its way than a move may wait', () => {
    const migrations = core({ ...LIMITS, movesPerSite: 1 });
    migrations.apply(decided('w', 1));
    heard(migrations);
    migrations.apply(decided('v', 1, { atMs: 1_000 }), LIMITS.queueMs + 2_000);
    migrations.advance(LIMITS.queueMs + 2_000);
    expect(heard(migrations)).toContain('failed');
  });
});

describe('a migration', () => {
  test('goes through the six steps, each ordered when the one before is done', () => {
    const migrations = core();
    migrations.apply(decided('v', 1));
    expect(heard(migrations)).toEqual(['accepted', 'started', 'begin prepare']);
    expect(done(migrations, 'v:1', 'prepare')).toEqual(['begin announce']);
    expect(done(migrations, 'v:1', 'announce')).toEqual(['begin disk']);
    expect(done(migrations, 'v:1', 'disk')).toEqual(['begin memory']);
    expect(done(migrations, 'v:1', 'memory')).toEqual(['begin switch']);
    expect(done(migrations, 'v:1', 'switch')).toEqual(['switched', 'begin release']);
    expect(done(migrations, 'v:1', 'release')).toEqual(['completed']);
    expect(migrations.live.size).toBe(0);
  });

  test('takes no answer to a step that it is not in', () => {
    const migrations = inPhase('disk');
    expect(done(migrations, 'v:1', 'prepare')).toEqual([]);
    expect(failed(migrations, 'memory')).toEqual([]);
    expect(state(migrations)).toBe('disk');
  });

  test.each([...REVERSIBLE, 'switch'] as const)('is undone when %s fails, and then has failed', (step) => {
    const migrations = inPhase(step);
    expect(failed(migrations, step)).toEqual(['abort']);
    migrations.report({ kind: 'aborted', id: 'v:1', measured: measured(3) }, 9);
    const fact = migrations.drain().events[0]!.fact as FactOf<'migration.failed.v1'>;
    expect(fact.type).toBe('migration.failed.v1');
    expect(fact.data).toMatchObject({ phase: step, code: 'BROKEN', runsAt: 'a', figures: { bytes: 3, durationMs: 9 } });
  });

  test.each(REVERSIBLE)('can be taken back in %s', (step) => {
    const migrations = inPhase(step);
    migrations.cancel('v:1', 'operator', 3);
    expect(heard(migrations)).toEqual(['abort']);
    migrations.report({ kind: 'aborted', id: 'v:1', measured: measured(3) }, 9);
    expect(heard(migrations)).toEqual(['cancelled']);
  });

  test('fails with who cancelled it where nothing can be undone', () => {
    const migrations = inPhase('memory');
    migrations.cancel('v:1', 'operator', 3);
    expect(heard(migrations)).toEqual(['abort']);
    // The abort is tried again and again, and each time the hypervisor says that nothing has changed.
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

  test.each(['switch', 'release'] as const)('can only go forward from %s on', (step) => {
    const migrations = inPhase(step);
    const tooLate = expect.objectContaining({ code: 'MIGRATION_PAST_CANCEL' });
    expect(() => migrations.cancel('v:1', 'operator', 3)).toThrow(tooLate);
    migrations.apply(decided('v', 2, { verdict: 'cancel', cancels: 'v:1' }));
    expect(heard(migrations)).toEqual([]);
    expect(state(migrations)).toBe(step);
    // Nor while it is being asked how far the switch-over has come.
    migrations.resume(4);
    migrations.apply(decided('v', 2, { verdict: 'cancel', cancels: 'v:1' }));
    expect(() => migrations.cancel('v:1', 'operator', 5)).toThrow(tooLate);
    // A VM that stands still in a switch-over that hangs would else be given up as lost instead of being resumed.
    expect([...migrations.live.values()][0]!.migration.undo).toBeNull();
    expect(truth(migrations, 'b', undefined, 5)).toContain('begin release');
  });

  test('taken back while it waits was never begun', () => {
    const migrations = core();
    for (const vm of ['v', 'w']) migrations.apply(decided(vm, 1));
    heard(migrations);
    migrations.cancel('w:1', 'operator', 3);
    expect(heard(migrations)).toEqual(['cancelled']);
    expect(() => migrations.cancel('w:1', 'operator', 4)).toThrow(
      expect.objectContaining({ code: 'MIGRATION_UNKNOWN' }),
    );
  });

  test('that waits for too long has failed, and says that it never began', () => {
    const migrations = core({ ...LIMITS, stepTimeoutMs: 1e6 });
    for (const vm of ['v', 'w']) migrations.apply(decided(vm, 1));
    migrations.drain();
    migrations.advance(LIMITS.queueMs);
    const ends = migrations.drain().events.filter(({ id }) => id === 'w:1:end');
    expect(ends.map(({ fact }) => fact.data)).toMatchObject([
      { code: 'QUEUE_TIMEOUT', phase: 'queue', runsAt: 'a', figures: { durationMs: 0 } },
    ]);
  });

  test('that waits does not hold up those behind it that are free to go', () => {
    const migrations = core();
    migrations.apply(decided('v', 1));
    migrations.apply(decided('w', 1));
    heard(migrations);
    migrations.apply(decided('x', 1, { from: 'c', to: 'd' }));
    expect(heard(migrations)).toEqual(['accepted', 'started', 'begin prepare']);
    expect(done(migrations, 'v:1', 'prepare')).toEqual(['begin announce']);
    migrations.cancel('v:1', 'operator', 3);
    migrations.report({ kind: 'aborted', id: 'v:1', measured: measured(0) }, 4);
    expect(heard(migrations)).toContain('begin prepare');
  });

  test('a release that fails is tried again, then given up: the VM has arrived', () => {
    const migrations = inPhase('release');
    for (let i = 0; i < 5; i++) expect(failed(migrations, 'release')).toEqual(['begin release']);
    migrations.report(
      { kind: 'failed', id: 'v:1', step: 'release', code: 'X', reason: 'a test', measured: measured(2) },
      5,
    );
    const fact = migrations.drain().events[0]!.fact as FactOf<'migration.completed.v1'>;
    expect(fact.data.figures.degraded).toEqual(['release-incomplete']);
  });

  test('a VM that has arrived and died there has failed, at its destination, and says what to do', () => {
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

describe('what is true is asked, not guessed', () => {
  test.each(PHASES)('after a restart in %s', (step) => {
    const migrations = inPhase(step);
    migrations.resume(4);
    expect(heard(migrations)).toEqual(['inspect']);
    expect(state(migrations)).toBe('asking');
  });

  test('a step under way is waited for, by ordering it again', () => {
    const migrations = inPhase('memory');
    migrations.resume(4);
    heard(migrations);
    expect(truth(migrations, 'a', 'memory', 3)).toEqual(['begin memory']);
    expect(state(migrations)).toBe('memory');
  });

  test('a step that was recorded and never ordered is ordered', () => {
    const migrations = inPhase('disk');
    migrations.resume(4);
    heard(migrations);
    expect(truth(migrations, 'a', undefined, 2)).toEqual(['begin disk']);
  });

  test('a VM that stands still for its switch-over is waited for', () => {
    const migrations = inPhase('switch');
    migrations.resume(4);
    heard(migrations);
    expect(truth(migrations, undefined, 'switch', 4)).toEqual(['begin switch']);
    expect(state(migrations)).toBe('switch');
  });

  test('a VM that has arrived is announced, once', () => {
    const migrations = inPhase('switch');
    migrations.resume(4);
    heard(migrations);
    expect(truth(migrations, 'b', undefined, 5)).toEqual(['switched', 'begin release']);
    migrations.resume(6);
    heard(migrations);
    expect(truth(migrations, 'b', undefined, 5)).toEqual(['begin release']);
  });

  test('an undoing that could not be done because the VM has left goes forward', () => {
    const migrations = inPhase('memory');
    migrations.cancel('v:1', 'operator', 3);
    heard(migrations);
    expect(failed(migrations, 'abort', 'PAST_CANCEL')).toEqual(['inspect']);
    expect(truth(migrations, 'b', undefined, 5)).toEqual(['switched', 'begin release']);
    expect(done(migrations, 'v:1', 'release')).toEqual(['completed']);
  });

  test('an undoing that nobody heard of is ordered again', () => {
    const migrations = inPhase('memory');
    migrations.cancel('v:1', 'operator', 3);
    migrations.resume(4);
    heard(migrations);
    expect(truth(migrations, 'a', undefined, 0)).toEqual(['abort']);
  });

  test('a VM that was stopped by a switch-over that is to be undone runs on at its source, whoever was restarted', () => {
    const migrations = inPhase('switch');
    expect(failed(migrations, 'switch', 'BROKEN')).toEqual(['abort']);
    migrations.resume(4);
    heard(migrations);
    expect(truth(migrations, undefined, 'switch', 4)).toEqual(['abort']);
  });

  /** Time-outs of a step: each is answered by `answer`. */
  const silence = (migrations: Migrations, rounds: number, answer: (i: number) => void) => {
    const all: string[] = [];
    for (let i = 0; i < rounds && migrations.live.size > 0; i++) {
      migrations.advance(migrations.nextWakeMs()!);
      all.push(...heard(migrations));
      answer(i);
      all.push(...heard(migrations));
    }
    return all;
  };
  const at = (migrations: Migrations) => migrations.nextWakeMs()! - LIMITS.stepTimeoutMs;
  const progress = (migrations: Migrations, runsAt: string | undefined, bytes: number) =>
    migrations.report(
      { kind: 'inspected', id: 'v:1', runsAt, done: PHASES.slice(0, 3), underWay: 'memory', measured: measured(bytes) },
      at(migrations),
    );

  test('a step that hangs is undone in the end', () => {
    const migrations = inPhase('memory');
    const said = silence(migrations, 20, () => progress(migrations, 'a', 1));
    expect(said.filter((word) => word === 'inspect').length).toBeGreaterThan(3);
    expect(said).toContain('abort');
  });

  test('a step that moves bytes is waited for, however long it takes', () => {
    const migrations = inPhase('memory');
    const said = silence(migrations, 50, (i) => progress(migrations, 'a', i + 2));
    expect(said).not.toContain('abort');
    expect(state(migrations)).toBe('memory');
  });

  test('nobody who answers: it has failed, and says so', () => {
    const migrations = inPhase('memory');
    expect(silence(migrations, 50, () => {}).at(-1)).toBe('failed');
  });

  test('a switch-over that cannot be taken back is carried on, also where it was to be undone', () => {
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
    expect(heard(migrations)).toEqual(['begin switch']);
    expect(state(migrations)).toBe('switch');
  });

  test('a VM that has died where it arrived is released, and not undone', () => {
    const migrations = inPhase('switch');
    migrations.resume(4);
    migrations.drain();
    expect(truth(migrations, undefined, 'release', 5)).toEqual(['begin release']);
  });

  test('a VM that runs nowhere is undone, and where that does not help, reported as lost with what to do', () => {
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
    expect(facts[0]).toMatch(/^VM_NOT_RUNNING .*start it again/);
  });
});

describe('decisions that come again', () => {
  test('one that was carried out is not carried out twice', () => {
    const migrations = inPhase('release');
    done(migrations, 'v:1', 'release');
    migrations.apply(decided('v', 1));
    expect(heard(migrations)).toEqual([]);
  });

  test('one that was refused because the VM was busy stays refused when the VM is free', () => {
    const migrations = inPhase('release');
    migrations.apply(decided('v', 2));
    expect(heard(migrations)).toEqual(['failed']);
    migrations.apply(decided('v', 2));
    expect(heard(migrations)).toEqual([]);
    expect(done(migrations, 'v:1', 'release')).toEqual(['completed']);
    migrations.apply(decided('v', 2));
    expect(heard(migrations)).toEqual([]);
    migrations.apply(decided('v', 3));
    expect(heard(migrations)).toContain('accepted');
  });

  test('a restored core knows what it has seen, and keeps to the limits', () => {
    const before = core();
    before.apply(decided('v', 1));
    before.apply(decided('w', 1));
    const kept = before.drain().records.map(({ state, migration }) => JSON.parse(JSON.stringify({ state, migration })));
    const migrations = before.withoutMigrations();
    for (const one of kept) migrations.restore(one);
    migrations.resume(5);
    expect(heard(migrations)).toEqual(['inspect']);
    migrations.apply(decided('v', 1));
    migrations.apply(decided('w', 1));
    migrations.apply(decided('x', 1));
    expect(heard(migrations)).toEqual(['accepted']);
  });
});
