/**
 * Steps an xstate machine purely: state and context in, next state, next context and the actions as data out. The same
 * as xstate's own `transition()`, of which it is a special case for flat machines: xstate chooses the transition, guards
 * and all; what is left to do in a machine without nesting, entry, exit and eventless transitions is to apply the
 * chosen one's actions. `transition()` builds an actor and several snapshots for that, and takes ten times as long.
 */
import type { AnyStateMachine, EventFromLogic } from 'xstate';

/** What follows from an event. */
export interface Step<State, Context> {
  readonly state: State;
  readonly context: Context;
  /** Custom actions with their parameters, in the order in which they were listed. */
  readonly actions: readonly { readonly type: string; readonly params: unknown }[];
}

/** An action as a machine definition holds it. */
type Listed =
  | { readonly type: 'xstate.assign'; readonly assignment: Assignment }
  | { readonly type: string; readonly params?: unknown };
type Args = { readonly context: unknown; readonly event: unknown };
type Assignment = ((args: Args) => object) | Readonly<Record<string, unknown>>;

const NO_ACTIONS: readonly never[] = [];

/**
 * @returns a pure function from state, context and event to the next ones
 * @throws Error where the machine is not flat, or has an action that is neither `assign` nor a named one
 */
export function stepper<Machine extends AnyStateMachine, State extends string, Context>(
  machine: Machine,
): (state: State, context: Context, event: EventFromLogic<Machine>) => Step<State, Context> {
  for (const node of Object.values(machine.states)) assertFlat(node);
  // biome-ignore lint/suspicious/noExplicitAny: a snapshot of a machine that is not known here
  const snapshots = new Map<State, any>();
  const snapshotOf = (state: State, context: Context) => {
    let snapshot = snapshots.get(state);
    if (snapshot === undefined) {
      snapshot = machine.resolveState({ value: state, context } as never);
      snapshots.set(state, snapshot);
    }
    // Guards see the context through the snapshot; nobody keeps it.
    snapshot.context = context;
    return snapshot;
  };
  return (state, context, event) => {
    const [chosen] = machine.getTransitionData(snapshotOf(state, context), event as never);
    if (chosen === undefined) return { state, context, actions: NO_ACTIONS };
    let next: unknown = context;
    const actions: { type: string; params: unknown }[] = [];
    for (const action of chosen.actions as unknown as readonly Listed[]) {
      const args = { context: next, event };
      if ('assignment' in action) next = Object.assign({}, next, assigned(action.assignment, args));
      else
        actions.push({
          type: action.type,
          params: typeof action.params === 'function' ? action.params(args) : action.params,
        });
    }
    return { state: (chosen.target?.[0]?.key ?? state) as State, context: next as Context, actions };
  };
}

function assigned(assignment: Assignment, args: Args): object {
  if (typeof assignment === 'function') return assignment(args);
  const entries = Object.entries(assignment);
  return Object.fromEntries(entries.map(([key, value]) => [key, typeof value === 'function' ? value(args) : value]));
}

function assertFlat(node: AnyStateMachine['states'][string]): void {
  const nested = Object.keys(node.states).length > 0;
  const more =
    node.entry.length + node.exit.length + node.invoke.length + (node.always?.length ?? 0) + node.after.length;
  const listed = [...node.transitions.values()]
    .flat()
    .flatMap(({ actions }) => actions as unknown as readonly Listed[]);
  const strange = listed.some(
    (action) => !('assignment' in action) && (!action.type || action.type.startsWith('xstate.')),
  );
  if (nested || more > 0 || strange) throw new Error(`the machine is not flat at "${node.key}"`);
}
