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
import { assign, setup } from 'xstate';
import type { Choice } from '../evaluate/weighed.ts';
import type { DecisionSource, MoveUnderWay, VmContext } from '../state/vm-context.ts';
import { guards } from './guards.ts';
import type { Args, DecideParams, MachineEvent } from './machine-events.ts';
import { states } from './states.ts';

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

/** The machine of a VM, with its states, events and actions as types. */
export type VmMachine = ReturnType<typeof vmMachine>;

/** Makes the machine for all VMs; each VM has its own state and context. Pure: decisions come back as `decide` actions. */
export function vmMachine({ coolingMs, backOffMs, maxBackOffMs }: Cooldowns) {
  return setup({
    types: { context: {} as VmContext, events: {} as MachineEvent, input: {} as VmContext },
    guards,
    actions: {
      /** Data only: the caller of the stepper publishes the decision. */
      decide: (_, _params: DecideParams) => {},
      beginMove: assign(({ context, event }: Args, params: { source: DecisionSource; choice: Choice }) => {
        const move = moveOf(context, params.source, params.choice, event.atMs);
        return { seq: context.seq + 1, deadlineMs: null, move };
      }),
      countDecision: assign(({ context }: Args) => ({ seq: context.seq + 1 })),
      changeMove: assign(({ context }: Args, { part }: { part: Partial<MoveUnderWay> }) => ({
        move: context.move && { ...context.move, ...part },
      })),
      markCancelling: assign(({ context: { move, seq }, event }: Args) => {
        const giveUpAtMs = move === null || move.giveUpAtMs === null ? null : event.atMs + ACCEPT_MS;
        return { seq: seq + 1, move: move && { ...move, cancelling: true, giveUpAtMs } };
      }),
      endMove: assign({ move: null }),
      countFailure: assign(({ context }: Args) => ({ failures: context.failures + 1 })),
      forgetFailures: assign({ failures: 0 }),
      cool: assign(({ event }: Args) => ({ deadlineMs: event.atMs + coolingMs })),
      backOff: assign(({ context: { failures }, event }: Args) => ({
        deadlineMs: event.atMs + Math.min(maxBackOffMs, backOffMs * 2 ** failures),
      })),
      endCooldown: assign({ deadlineMs: null }),
    },
  }).createMachine({ id: 'vm', context: ({ input }) => input, initial: 'idle', states });
}

/** The move that a decision orders. */
function moveOf({ vm, seq }: VmContext, source: DecisionSource, choice: Choice, orderedAtMs: number): MoveUnderWay {
  const { site, raw, from, paths, prediction } = choice;
  return {
    ...{ decision: `${vm}:${seq + 1}`, from, to: site, source, paths, raw, orderedAtMs },
    ...{ delayUserMsPerS: prediction.delayUserMsPerS ?? 0, shared: false },
    ...{ switched: false, cancelling: false, giveUpAtMs: orderedAtMs + ACCEPT_MS },
  };
}
