/**
 * One migration, from the decision to its one terminal event: make before break.
 *
 * ```
 *  queued ─► prepare ─► announce ─► disk ─► memory ─► switch ─► release ─► completed
 *     │         └──────────┴─────────┴────────┴─┐       │ │        (only forward from here)
 *     │                                         ▼       │ └─► asking ─► …
 *     └────────────────────────────────────► undoing ◄──┘
 *                                               └─► failed | cancelled
 *
 *  release ─► failed, where the VM died at its destination
 * ```
 *
 * - **queued**: waits until the limits of both sites and of all paths allow it.
 * - **prepare** … **release**: the step of that name is under way. A step is recorded here before it is ordered.
 * - **undoing**: the preparations are undone; the VM has stayed at its source.
 * - **asking** (reconciling): a process was restarted or did not answer. The hypervisor is asked where the VM runs and which
 *   steps are done, before any further step.
 *
 * Deadlines are values in the context, as in the policy's machine.
 */

import { assign, setup } from 'xstate';
import type { Phase } from '../events/index.ts';
import type { ActionOf } from '../state-machine/stepper.ts';
import { type Change, changed, type MachineLimits } from './changes.ts';
import type { Args, Migration, MigrationEvent } from './context.ts';
import { guards } from './guards.ts';
import { type EventKind, states } from './states.ts';

/** An action of the machine: an order for the hypervisor, or an event to publish (`say`). The stepper itself applies a `change`. */
export type MigrationAction = ActionOf<MigrationMachine>;

/** The machine of a migration, with its states, events and actions as types. */
export type MigrationMachine = ReturnType<typeof migrationMachine>;

/** Makes the machine for all migrations; each has its own state and context. Pure: orders and events come back as actions. */
export function migrationMachine(limits: MachineLimits) {
  return setup({
    types: { context: {} as Migration, events: {} as MigrationEvent, input: {} as Migration },
    guards,
    actions: {
      // These actions are data. The caller of the stepper gives the orders and publishes the events.
      begin: (_, _params: { step: Phase }) => {},
      abort: () => {},
      inspect: () => {},
      say: (_, _params: { what: EventKind }) => {},
      /** Assigns a whole context (see `stepper`). */
      change: assign((args: Args, { changes }: { changes: readonly Change[] }) => changed(args, changes, limits)),
    },
  }).createMachine({ id: 'migration', context: ({ input }) => input, initial: 'queued', states });
}
