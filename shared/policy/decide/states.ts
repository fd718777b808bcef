/** The states of a VM's machine, with their transitions. `machine.ts` shows them as a picture, and says what each means. */
import type { Choice } from '../evaluate/weighed.ts';
import type { DecisionSource, MoveUnderWay } from '../state/vm-context.ts';
import { type Args, type DecideParams, evaluationOf, type MachineEvent } from './machine-events.ts';

const decide = (params: (args: Args) => DecideParams) => ({ type: 'decide', params }) as const;
/** Orders the move that `choice` finds in the event. */
const order = (source: DecisionSource, choice: (args: Args) => Choice) =>
  [
    { type: 'beginMove', params: (args: Args) => ({ source, choice: choice(args) }) },
    decide((args) => ({ verdict: 'move', choice: choice(args), source, reason: choice(args).reason })),
  ] as const;
const moveByPolicy = order('policy', (args) => (evaluationOf(args).advice as { choice: Choice }).choice);
const moveAway = order('evacuation', (args) => evaluationOf(args).refuge as Choice);
const moveByOrder = order('operator', ({ event }) => (event as Extract<MachineEvent, { type: 'ordered' }>).choice);
const stay = [
  'countDecision',
  decide((args) => ({ verdict: 'stay', source: 'policy', reason: evaluationOf(args).advice.reason })),
  'endCooldown',
] as const;
const cancelMove = (reason: (args: Args) => string) =>
  ['markCancelling', decide((args) => ({ verdict: 'cancel', source: 'policy', reason: reason(args) }))] as const;
const changeMove = (part: Partial<MoveUnderWay>) => ({ type: 'changeMove', params: { part } }) as const;

const toEvacuation = { guard: 'isHomeLost', target: 'evacuating', actions: 'endCooldown' } as const;
const toIdle = { guard: 'isUnpopulated', target: 'idle', actions: 'endCooldown' } as const;
const toMove = { guard: 'isReady', target: 'moving', actions: moveByPolicy } as const;
const toSettled = { guard: 'isOver', target: 'settled', actions: 'endCooldown' } as const;
const ordered = { target: 'moving', actions: moveByOrder } as const;

/** All states by name. Their guards and actions are names that the machine's `setup` declares. */
export const states = {
  idle: {
    on: {
      evaluated: [toEvacuation, { guard: 'isPopulated', target: 'settled', actions: 'endCooldown' }],
      ordered,
    },
  },
  settled: {
    on: {
      evaluated: [toEvacuation, toIdle, toMove, { guard: 'isBetter', target: 'drifting', actions: 'endCooldown' }],
      ordered,
    },
  },
  drifting: {
    on: {
      evaluated: [
        toEvacuation,
        { guard: 'isUnpopulated', target: 'idle', actions: stay },
        toMove,
        { guard: 'isNotBetter', target: 'settled', actions: stay },
      ],
      ordered,
    },
  },
  moving: {
    on: {
      evaluated: [
        { guard: 'isOvertaken', actions: cancelMove((args) => evaluationOf(args).callOff ?? 'overtaken') },
        { guard: 'isUnanswered', actions: cancelMove(() => 'not-accepted') },
      ],
      accepted: { guard: 'isOwnMove', actions: changeMove({ giveUpAtMs: null }) },
      switched: { guard: 'isOwnMove', actions: changeMove({ switched: true, giveUpAtMs: null }) },
      completed: { guard: 'isOwnMove', target: 'cooling', actions: ['cool', 'endMove', 'forgetFailures'] },
      cancelled: { guard: 'isOwnMove', target: 'cooling', actions: ['cool', 'endMove'] },
      failed: { guard: 'isOwnMove', target: 'backing-off', actions: ['backOff', 'endMove', 'countFailure'] },
    },
  },
  cooling: {
    on: { evaluated: [toEvacuation, toSettled], ordered },
  },
  'backing-off': {
    // An evacuation also waits here, because the cause of the failure may persist.
    on: { evaluated: toSettled, ordered },
  },
  evacuating: {
    on: {
      evaluated: [
        { guard: 'isHomeFit', target: 'settled', actions: 'endCooldown' },
        { guard: 'hasRefuge', target: 'moving', actions: moveAway },
      ],
      ordered,
    },
  },
} as const;
