import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wouldNotTransition } from '#shared/policy/decide/guards.ts';
import { vmMachine } from '#shared/policy/decide/machine.ts';
import type { MachineEvent } from '#shared/policy/decide/machine-events.ts';
import type { Advice, Evaluation } from '#shared/policy/evaluate/evaluation.ts';
import type { Choice } from '#shared/policy/evaluate/weighed.ts';
import { newVmContext, type VmContext, type VmState } from '#shared/policy/state/vm-context.ts';
import { stepper } from '#shared/state-machine/stepper.ts';

const PAUSES = { coolingMs: 100, backOffMs: 50, maxBackOffMs: 300 };
const step = stepper(vmMachine(PAUSES));

const choice: Choice = {
  from: 'a',
  site: 'b',
  reason: 'better-site',
  prediction: { durationMs: 10, interruptionMs: 1, bytes: 1, costUserMs: 1, benefitUserMs: 2 },
  raw: { durationMs: 10, interruptionMs: 1 },
  paths: ['a~b/x'],
};
const STAY: Advice = { kind: 'stay', reason: 'home-is-best' };
const BLOCKED: Advice = { kind: 'blocked', reason: 'full' };
const move = (readyAtMs: number): Advice => ({ kind: 'move', reason: 'better-site', choice, readyAtMs });
const evaluation = (advice: Advice, more: Partial<Evaluation> = {}): Evaluation => ({
  populated: true,
  homeLost: null,
  advice,
  refuge: undefined,
  targetGain: 0,
  ...more,
});
const evaluated = (advice: Advice, more: Partial<Evaluation> = {}, atMs = 10): MachineEvent => ({
  type: 'evaluated',
  atMs,
  evaluation: evaluation(advice, more),
});
const under = {
  decision: 'v:1',
  from: 'a',
  to: 'b',
  source: 'policy',
  paths: [],
  raw: choice.raw,
  ...{ orderedAtMs: 0, delayUserMsPerS: 0, shared: false },
  switched: false,
  cancelling: false,
  giveUpAtMs: null,
} as const;
const calm = newVmContext('v', 0);
const moving: VmContext = { ...calm, seq: 1, move: under };
const ended = (type: 'switched' | 'completed' | 'failed' | 'cancelled', decision = 'v:1'): MachineEvent => ({
  type,
  atMs: 10,
  decision,
});

/** Takes one step. @returns the next state, the verdicts to publish and the context */
function go(state: VmState, event: MachineEvent, given: VmContext = state === 'moving' ? moving : calm) {
  const { state: next, context, actions } = step(state, given, event);
  const decisions = actions.filter((action) => action.type === 'decide');
  const verdicts = decisions.map(({ params }) => `${params.verdict} ${params.source}`);
  return { next, verdicts, context };
}

describe('the life of a VM', () => {
  const drained = { homeLost: 'draining', refuge: choice } as const;
  const transitions: [string, VmState, MachineEvent, VmState, string[], VmContext?][] = [
    ['a user is attached', 'idle', evaluated(STAY), 'settled', []],
    ['no users', 'idle', evaluated(STAY, { populated: false }), 'idle', []],
    ['the users left', 'settled', evaluated(STAY, { populated: false }), 'idle', []],
    ['a better site, not for long yet', 'settled', evaluated(move(20)), 'drifting', []],
    ['a better site that a filter refuses', 'settled', evaluated(BLOCKED), 'drifting', []],
    ['a better site for long enough', 'settled', evaluated(move(10)), 'moving', ['move policy']],
    ['the better site has lasted', 'drifting', evaluated(move(10)), 'moving', ['move policy']],
    ['the better site has not lasted yet', 'drifting', evaluated(move(11)), 'drifting', []],
    ['no better site any more', 'drifting', evaluated(STAY), 'settled', ['stay policy']],
    ['the users left meanwhile', 'drifting', evaluated(STAY, { populated: false }), 'idle', ['stay policy']],
    ['the home drains', 'settled', evaluated(STAY, drained), 'evacuating', []],
    ['the home drains while drifting', 'drifting', evaluated(move(10), drained), 'evacuating', []],
    ['the home drains, no users', 'idle', evaluated(STAY, { ...drained, populated: false }), 'evacuating', []],
    ['the home drains after a move', 'cooling', evaluated(STAY, drained), 'evacuating', []],
    ['a site to evacuate to', 'evacuating', evaluated(STAY, drained), 'moving', ['move evacuation']],
    ['no site to evacuate to', 'evacuating', evaluated(STAY, { homeLost: 'silent' }), 'evacuating', []],
    ['the home is back', 'evacuating', evaluated(STAY), 'settled', []],
    ['arrived', 'moving', ended('completed'), 'cooling', []],
    ['failed', 'moving', ended('failed'), 'backing-off', []],
    ['cancelled', 'moving', ended('cancelled'), 'cooling', []],
    ['another move arrived', 'moving', ended('completed', 'v:0'), 'moving', []],
    ['another move failed', 'moving', ended('failed', 'v:0'), 'moving', []],
    ['the users turned back', 'moving', evaluated(STAY, { targetGain: -1 }), 'moving', ['cancel policy']],
    [
      'the users turned back too late',
      'moving',
      evaluated(STAY, { targetGain: -1 }),
      'moving',
      [],
      { ...moving, move: { ...under, switched: true } },
    ],
    [
      'already being cancelled',
      'moving',
      evaluated(STAY, { targetGain: -1 }),
      'moving',
      [],
      { ...moving, move: { ...under, cancelling: true } },
    ],
    [
      'the users turned back, but an operator ordered',
      'moving',
      evaluated(STAY, { targetGain: -1 }),
      'moving',
      [],
      { ...moving, move: { ...under, source: 'operator' } },
    ],
    ['the pause is over', 'cooling', evaluated(move(0)), 'settled', [], { ...calm, deadlineMs: 10 }],
    ['the pause is not over', 'cooling', evaluated(move(0)), 'cooling', [], { ...calm, deadlineMs: 11 }],
    ['backed off long enough', 'backing-off', evaluated(move(0)), 'settled', [], { ...calm, deadlineMs: 10 }],
    [
      'even an evacuation waits after a failure',
      'backing-off',
      evaluated(STAY, drained),
      'backing-off',
      [],
      { ...calm, deadlineMs: 11 },
    ],
  ];
  test.each(transitions)('%s: %s', (_, from, event, to, verdicts, given) => {
    const result = go(from, event, given);
    expect(result.next).toBe(to);
    expect(result.verdicts).toEqual(verdicts);
  });

  test.each<VmState>(['idle', 'settled', 'drifting', 'cooling', 'backing-off', 'evacuating'])(
    'an operator can order a move of a VM that is %s',
    (state) => {
      const { next, verdicts, context } = go(state, { type: 'ordered', atMs: 10, choice });
      expect(next).toBe('moving');
      expect(verdicts).toEqual(['move operator']);
      expect(context.move).toMatchObject({ decision: 'v:1', from: 'a', to: 'b', source: 'operator' });
    },
  );

  test('a moving VM ignores a second order', () => {
    expect(go('moving', { type: 'ordered', atMs: 10, choice }).context).toEqual(moving);
  });

  test('each failure in a row doubles the pause, up to its limit; an arrival resets it', () => {
    let given = moving;
    const pauses = Array.from({ length: 5 }, () => {
      const { context } = go('moving', ended('failed'), given);
      given = { ...context, move: under };
      return context.deadlineMs! - 10;
    });
    expect(pauses).toEqual([50, 100, 200, 300, 300]);
    expect(go('moving', ended('completed'), given).context.failures).toBe(0);
  });

  test('decisions are numbered one by one', () => {
    const { context } = go('drifting', evaluated(STAY), { ...calm, seq: 6 });
    expect(context.seq).toBe(7);
  });
});

describe('the shortcut', () => {
  const advices = fc.oneof(
    fc.constantFrom(STAY, BLOCKED),
    fc.integer({ min: 0, max: 20 }).map((readyAtMs) => move(readyAtMs)),
  );
  const evaluations = fc.record({
    populated: fc.boolean(),
    homeLost: fc.constantFrom(null, 'draining' as const, 'silent' as const),
    advice: advices,
    refuge: fc.constantFrom(undefined, choice),
    targetGain: fc.integer({ min: -2, max: 2 }),
  });
  const states = fc.constantFrom<VmState>(
    'idle',
    'settled',
    'drifting',
    'moving',
    'cooling',
    'backing-off',
    'evacuating',
  );
  const contexts = fc.record({
    deadlineMs: fc.option(fc.integer({ min: 0, max: 20 })),
    switched: fc.boolean(),
    cancelling: fc.boolean(),
    giveUpAtMs: fc.option(fc.integer({ min: 0, max: 100 })),
    source: fc.constantFrom('policy' as const, 'evacuation' as const, 'operator' as const),
  });

  test('applies exactly when the machine would change nothing and publish nothing', () => {
    fc.assert(
      fc.property(states, contexts, evaluations, fc.integer({ min: 0, max: 20 }), (state, more, seen, atMs) => {
        const { deadlineMs, ...rest } = more;
        const given: VmContext = { ...calm, deadlineMs, move: state === 'moving' ? { ...under, ...rest } : null };
        const after = step(state, given, { type: 'evaluated', atMs, evaluation: seen });
        const same =
          after.state === state &&
          after.actions.length === 0 &&
          JSON.stringify(after.context) === JSON.stringify(given);
        expect(wouldNotTransition(state, given, seen, atMs)).toBe(same);
      }),
      { numRuns: 3000 },
    );
  });
});
