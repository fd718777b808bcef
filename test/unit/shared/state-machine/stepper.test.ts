import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign, createMachine, not, transition } from 'xstate';
import { type Data, PHASES } from '#shared/events/index.ts';
import type { Migration, MigrationEvent, MigrationState } from '#shared/migration/context.ts';
import { migrationMachine } from '#shared/migration/machine.ts';
import { newMigration } from '#shared/migration/migration.ts';
import { NOTHING_MEASURED } from '#shared/model/measured.ts';
import { vmMachine } from '#shared/policy/decide/machine.ts';
import type { MachineEvent } from '#shared/policy/decide/machine-events.ts';
import { newVmContext, type VmState } from '#shared/policy/state/vm-context.ts';
import { stepper } from '#shared/state-machine/stepper.ts';
import { SEED } from '../../../property/seed.ts';
import { decided } from '../migration/world.ts';

const atMs = fc.integer({ min: 0, max: 10 });
const choice = {
  from: 'a',
  site: 'b',
  reason: 'better-site',
  paths: ['a~b/x'],
  raw: { durationMs: 1, interruptionMs: 1 },
  prediction: { durationMs: 1, interruptionMs: 1, bytes: 1, costUserMs: 1, benefitUserMs: 1 },
};
const evaluation = fc.record({
  populated: fc.boolean(),
  homeLost: fc.constantFrom(null, 'draining' as const, 'silent' as const),
  advice: fc.oneof(
    fc.constant({ kind: 'stay' as const, reason: 'home-is-best' }),
    fc.constant({ kind: 'blocked' as const, reason: 'full' }),
    atMs.map((readyAtMs) => ({ kind: 'move' as const, reason: 'better-site', choice, readyAtMs })),
  ),
  refuge: fc.constantFrom(undefined, choice),
  targetGain: fc.constantFrom(-1, 0, 1),
});
const vmEvents: fc.Arbitrary<MachineEvent> = fc.oneof(
  fc.record({ type: fc.constant('evaluated' as const), atMs, evaluation }),
  fc.record({ type: fc.constant('ordered' as const), atMs, choice: fc.constant(choice) }),
  fc.record({
    type: fc.constantFrom('switched' as const, 'completed' as const, 'failed' as const, 'cancelled' as const),
    atMs,
    decision: fc.constantFrom('vm:1', 'vm:2', 'vm:3'),
  }),
);

const measured = fc.nat({ max: 3 }).map((bytes) => ({ ...NOTHING_MEASURED, bytes }));
const step = fc.constantFrom(...PHASES);
const migrationEvents: fc.Arbitrary<MigrationEvent> = fc.oneof(
  fc.record({ type: fc.constantFrom('admitted' as const, 'overdue' as const, 'restarted' as const), atMs }),
  fc.record({ type: fc.constant('done' as const), atMs, step, measured }),
  fc.record({
    type: fc.constant('stepFailed' as const),
    atMs,
    step: fc.constantFrom(...PHASES, 'abort' as const),
    code: fc.constant('X'),
    reason: fc.constant('x'),
    measured,
  }),
  fc.record({ type: fc.constant('aborted' as const), atMs, measured }),
  fc.record({
    type: fc.constant('inspected' as const),
    atMs,
    runsAt: fc.constantFrom('a', 'b', undefined),
    done: fc.nat({ max: 6 }).map((n) => PHASES.slice(0, n)),
    underWay: fc.option(step, { nil: undefined }),
    measured,
  }),
  fc.record({ type: fc.constant('cancel' as const), atMs, by: fc.constant('me') }),
);
const order = decided('vm', 1).data as Data<'placement.decided.v1'>;
const migration: Migration = { ...newMigration(order, []), deadlineMs: 5 };

describe('the stepper', () => {
  test('steps the machine of a VM as xstate does', () => {
    const machine = vmMachine({ coolingMs: 3, backOffMs: 2, maxBackOffMs: 4 });
    const ours = stepper(machine);
    fc.assert(
      fc.property(fc.array(vmEvents, { maxLength: 30 }), (events) => {
        let state: VmState = 'idle';
        let given = newVmContext('vm', 0);
        for (const event of events) {
          const [next, actions] = transition(machine, machine.resolveState({ value: state, context: given }), event);
          const got = ours(state, given, event);
          expect(got.state).toBe(next.value);
          expect(got.context).toEqual(next.context);
          expect(got.actions).toEqual(actions.map(({ type, params }) => ({ type, params })));
          [state, given] = [got.state, got.context];
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  test('steps the machine of a migration as xstate does', () => {
    const machine = migrationMachine({ queueMs: 5, stepTimeoutMs: 5 });
    const ours = stepper(machine, 'whole contexts');
    fc.assert(
      fc.property(fc.array(migrationEvents, { maxLength: 40 }), (events) => {
        let state: MigrationState = 'queued';
        let context = migration;
        for (const event of events) {
          // The product sends no event after the end.
          if (['completed', 'failed', 'cancelled'].includes(state)) return;
          const [next, actions] = transition(machine, machine.resolveState({ value: state, context }), event);
          const got = ours(state, context, event);
          expect(got.state).toBe(next.value);
          expect(got.context).toEqual(next.context);
          expect(got.actions).toEqual(actions.map(({ type, params }) => ({ type, params })));
          [state, context] = [got.state, got.context];
        }
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test('refuses machines with features that it does not support', () => {
    const nested = createMachine({ initial: 'a', states: { a: { initial: 'b', states: { b: {} } } } });
    const entered = createMachine({ initial: 'a', states: { a: { entry: assign({}) } } });
    const delayed = createMachine({ initial: 'a', states: { a: { after: { 10: 'b' } }, b: {} } });
    const eventless = createMachine({ initial: 'a', states: { a: { always: 'b' }, b: {} } });
    const wild = createMachine({ initial: 'a', states: { a: { on: { '*': 'b' } }, b: {} } });
    const named = createMachine({ initial: 'a', states: { a: { on: { x: { guard: 'ripe', target: 'b' } } }, b: {} } });
    const combined = createMachine({
      initial: 'a',
      states: { a: { on: { x: { guard: not(() => true), target: 'b' } } }, b: {} },
    });
    const beside = createMachine({ initial: 'a', on: { x: '.b' }, states: { a: {}, b: {} } });
    const machines = [nested, entered, delayed, eventless, wild, named, combined, beside];
    for (const machine of machines) expect(() => stepper(machine)).toThrow(/not flat/);
  });
});
