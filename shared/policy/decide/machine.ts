/**
 * The states of a VM, as an xstate chart.
 *
 * ```
 *  idle ⇄ settled ⇄ drifting ──► moving ──► cooling ──► settled
 *            │          │          │
 *            └──────────┴─► evacuating (home drains or fell silent) ──► moving
 *                                  moving ──► backing-off (a move failed) ──► settled
 * ```
 *
 * - **idle**: no user is attached, or all have been silent for the session time-out.
 * - **settled**: no site serves so much better that a move could pay.
 * - **drifting**: a site does. The move is ordered when the gain has lasted (dwell) and is worth the cost.
 * - **moving**: a move is ordered. The state ends with the migration. The move is cancelled if the users turn back, or if no migrator
 *   accepts it, or another VM that it depends on goes elsewhere.
 * - **cooling**: a move has ended; no other move for `coolingMs`.
 * - **backing-off**: a move has failed; no other move for a time that doubles with each failure in a row.
 * - **evacuating**: the VM has to leave its home; any site that passes the filters is better.
 *
 * There are no `after` timers: they would be lost on restore (statelyai/xstate#5331), and a simulation could not share
 * them. Deadlines are event-time values in the context; the caller sends `evaluated` when one has passed.
 */
import { setup } from 'xstate';
import type { Evaluation } from '../evaluate/evaluation.ts';
import type { Choice } from '../evaluate/weighed.ts';
import type { DecisionSource, MoveUnderWay, VmContext, VmState } from '../state/vm-context.ts';

/** The events of the machine: the result of an evaluation (`evaluated`), an operator's order, and facts of the VM's migration. */
export type MachineEvent =
  | { readonly type: 'evaluated'; readonly atMs: number; readonly evaluation: Evaluation }
  | { readonly type: 'ordered'; readonly atMs: number; readonly choice: Choice }
  | { readonly type: 'accepted'; readonly atMs: number; readonly decision: string }
  | { readonly type: 'switched'; readonly atMs: number; readonly decision: string }
  | { readonly type: 'completed'; readonly atMs: number; readonly decision: string }
  | { readonly type: 'failed'; readonly atMs: number; readonly decision: string }
  | { readonly type: 'cancelled'; readonly atMs: number; readonly decision: string };

/** The parameters of the action `decide`: a decision to publish. Its number is `seq` of the context after the transition. */
export interface DecideParams {
  readonly verdict: 'move' | 'stay' | 'cancel';
  readonly choice?: Choice | undefined;
  readonly source: DecisionSource;
  readonly reason: string;
}

/** Times without a new move, in ms: after the end of a move (cooling), and after a failure (backing off, doubled up to a maximum). */
export interface Cooldowns {
  readonly coolingMs: number;
  readonly backOffMs: number;
  readonly maxBackOffMs: number;
}

/**
 * An order that no migrator accepts within this time (ms) counts as lost. It is cancelled, and cancelled again at this interval until
 * a migrator publishes its end. The time is longer than a standby migrator needs to become the leader, or a bus to recover.
 */
const ACCEPT_MS = 120_000;

/** Guards that the machine shares with `wouldNotTransition`: a context and an evaluation in, true or false out. */
const isHomeLost = (evaluation: Evaluation) => evaluation.homeLost !== null;
const isReady = ({ advice }: Evaluation, atMs: number) => advice.kind === 'move' && atMs >= advice.readyAtMs;
/** A site would serve better. The move may be too early, or a filter may refuse it. */
const isBetter = ({ advice }: Evaluation) => advice.kind !== 'stay';
const isOver = ({ deadlineMs }: VmContext, atMs: number) => deadlineMs !== null && atMs >= deadlineMs;
/** The users have turned back, or what other VMs do speaks against the move. */
const isOvertaken = ({ move }: VmContext, { targetGain, callOff }: Evaluation) =>
  move !== null &&
  !move.switched &&
  !move.cancelling &&
  (callOff !== undefined || (move.source === 'policy' && targetGain < 0));
const isUnanswered = ({ move }: VmContext, atMs: number) =>
  move !== null && move.giveUpAtMs !== null && atMs >= move.giveUpAtMs;

/**
 * True if an evaluation would change neither the state nor the context of the machine. This holds for most evaluations, and the
 * check costs about a fiftieth of a step. machine.test.ts compares it with the machine on random contexts and evaluations.
 */
export function wouldNotTransition(state: VmState, context: VmContext, evaluation: Evaluation, atMs: number): boolean {
  switch (state) {
    case 'idle':
      return !isHomeLost(evaluation) && !evaluation.populated;
    case 'settled':
      return !isHomeLost(evaluation) && evaluation.populated && !isBetter(evaluation);
    case 'drifting':
      return !isHomeLost(evaluation) && evaluation.populated && isBetter(evaluation) && !isReady(evaluation, atMs);
    case 'moving':
      return !isOvertaken(context, evaluation) && !isUnanswered(context, atMs);
    case 'cooling':
      return !isHomeLost(evaluation) && !isOver(context, atMs);
    case 'backing-off':
      return !isOver(context, atMs);
    case 'evacuating':
      return isHomeLost(evaluation) && evaluation.refuge === undefined;
  }
}

/** Makes the machine for all VMs; each VM has its own state and context. Pure: decisions come back as `decide` actions. */
export function vmMachine(cooldowns: Cooldowns) {
  const { assign, createMachine } = setup({
    types: { context: {} as VmContext, events: {} as MachineEvent, input: {} as VmContext },
    actions: {
      /** Data only: the caller of the stepper publishes the decision. */
      decide: (_, _params: DecideParams) => {},
    },
  });

  type Args = { context: VmContext; event: MachineEvent };
  const evaluation = ({ event }: Args): Evaluation =>
    (event as Extract<MachineEvent, { type: 'evaluated' }>).evaluation;
  const homeLost = (args: Args) => isHomeLost(evaluation(args));
  const unpopulated = (args: Args) => !evaluation(args).populated;
  const better = (args: Args) => isBetter(evaluation(args));
  const ready = (args: Args) => isReady(evaluation(args), args.event.atMs);
  const over = ({ context, event }: Args) => isOver(context, event.atMs);
  const overtaken = (args: Args) => isOvertaken(args.context, evaluation(args));
  const unanswered = ({ context, event }: Args) => isUnanswered(context, event.atMs);
  const refuge = (args: Args) => evaluation(args).refuge !== undefined;
  const isOwnMove = ({ context, event }: Args) => 'decision' in event && context.move?.decision === event.decision;

  /** Sets the end of the cooldown on entry to a state; null for a state that is no cooldown. */
  const enter = (pauseMs: (context: VmContext) => number | null = () => null) =>
    assign(({ context, event }) => {
      const pause = pauseMs(context);
      return { deadlineMs: pause === null ? null : event.atMs + pause };
    });
  const cool = enter(() => cooldowns.coolingMs);
  const backOff = enter(({ failures }) => Math.min(cooldowns.maxBackOffMs, cooldowns.backOffMs * 2 ** failures));

  const order = (source: DecisionSource, choice: (args: Args) => Choice) => [
    assign((args) => {
      const { site, raw, from, paths, prediction } = choice(args);
      const seq = args.context.seq + 1;
      const orderedAtMs = args.event.atMs;
      const move: MoveUnderWay = {
        ...{ decision: `${args.context.vm}:${seq}`, from, to: site, source, paths, raw, orderedAtMs },
        ...{ delayUserMsPerS: prediction.delayUserMsPerS ?? 0, shared: false },
        ...{ switched: false, cancelling: false, giveUpAtMs: orderedAtMs + ACCEPT_MS },
      };
      return { seq, deadlineMs: null, move };
    }),
    {
      type: 'decide' as const,
      params: (args: Args): DecideParams => ({
        verdict: 'move',
        choice: choice(args),
        source,
        reason: choice(args).reason,
      }),
    },
  ];
  const moveByPolicy = order('policy', (args) => (evaluation(args).advice as { choice: Choice }).choice);
  const moveAway = order('evacuation', (args) => evaluation(args).refuge as Choice);
  const moveByOrder = order('operator', ({ event }) => (event as Extract<MachineEvent, { type: 'ordered' }>).choice);
  const stay = [
    assign(({ context }) => ({ seq: context.seq + 1 })),
    {
      type: 'decide' as const,
      params: (args: Args): DecideParams => ({
        verdict: 'stay',
        source: 'policy',
        reason: evaluation(args).advice.reason,
      }),
    },
    enter(),
  ];
  const cancelMove = (reason: string | ((args: Args) => string)) => [
    assign(({ context: { move, seq }, event }) => {
      const giveUpAtMs = move === null || move.giveUpAtMs === null ? null : event.atMs + ACCEPT_MS;
      return { seq: seq + 1, move: move && { ...move, cancelling: true, giveUpAtMs } };
    }),
    {
      type: 'decide' as const,
      params: (args: Args): DecideParams => ({
        verdict: 'cancel',
        source: 'policy',
        reason: typeof reason === 'string' ? reason : reason(args),
      }),
    },
  ];
  const change = (part: Partial<MoveUnderWay>) =>
    assign(({ context }) => ({ move: context.move && { ...context.move, ...part } }));

  const toEvacuation = { guard: homeLost, target: 'evacuating', actions: enter() } as const;
  const toIdle = { guard: unpopulated, target: 'idle', actions: enter() } as const;
  const toMove = { guard: ready, target: 'moving', actions: moveByPolicy } as const;
  const ordered = { target: 'moving', actions: moveByOrder } as const;

  return createMachine({
    id: 'vm',
    context: ({ input }) => input,
    initial: 'idle',
    states: {
      idle: {
        on: {
          evaluated: [
            toEvacuation,
            { guard: (args) => evaluation(args).populated, target: 'settled', actions: enter() },
          ],
          ordered,
        },
      },
      settled: {
        on: {
          evaluated: [toEvacuation, toIdle, toMove, { guard: better, target: 'drifting', actions: enter() }],
          ordered,
        },
      },
      drifting: {
        on: {
          evaluated: [
            toEvacuation,
            { guard: unpopulated, target: 'idle', actions: stay },
            toMove,
            { guard: (args) => !better(args), target: 'settled', actions: stay },
          ],
          ordered,
        },
      },
      moving: {
        on: {
          evaluated: [
            { guard: overtaken, actions: cancelMove((args) => evaluation(args).callOff ?? 'overtaken') },
            { guard: unanswered, actions: cancelMove('not-accepted') },
          ],
          accepted: { guard: isOwnMove, actions: change({ giveUpAtMs: null }) },
          switched: { guard: isOwnMove, actions: change({ switched: true, giveUpAtMs: null }) },
          completed: { guard: isOwnMove, target: 'cooling', actions: [cool, assign({ move: null, failures: 0 })] },
          cancelled: { guard: isOwnMove, target: 'cooling', actions: [cool, assign({ move: null })] },
          failed: {
            guard: isOwnMove,
            target: 'backing-off',
            actions: [backOff, assign(({ context }) => ({ move: null, failures: context.failures + 1 }))],
          },
        },
      },
      cooling: {
        on: { evaluated: [toEvacuation, { guard: over, target: 'settled', actions: enter() }], ordered },
      },
      'backing-off': {
        // An evacuation also waits here, because the cause of the failure may persist.
        on: { evaluated: { guard: over, target: 'settled', actions: enter() }, ordered },
      },
      evacuating: {
        on: {
          evaluated: [
            { guard: (args) => !homeLost(args), target: 'settled', actions: enter() },
            { guard: refuge, target: 'moving', actions: moveAway },
          ],
          ordered,
        },
      },
    },
  });
}

/** The machine of a VM, with its states, events and actions as types. */
export type VmMachine = ReturnType<typeof vmMachine>;
