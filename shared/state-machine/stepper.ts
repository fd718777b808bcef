/**
 * Steps an xstate machine purely: state and context in, next state, next context and the actions as data out. The same
 * as xstate's own `transition()`, of which it is a special case for flat machines: in a machine without nesting, entry,
 * exit, eventless transitions and wildcards an event takes the first transition listed for it in its state whose guard
 * holds, and its actions are applied. `transition()` builds an actor and several snapshots for that.
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

/** A transition as it is looked up. */
interface Listing {
  readonly guard: ((args: Args) => boolean) | undefined;
  /** Undefined: the state stays as it is. */
  readonly target: string | undefined;
  readonly actions: readonly Listed[];
}

const NONE: readonly never[] = [];

/**
 * @returns a pure function from state, context and event to the next ones
 * @throws Error where the machine is not flat, has wildcards or guards by name, or an action that is neither `assign` nor
 *   a named one
 */
export function stepper<Machine extends AnyStateMachine, State extends string, Context>(
  machine: Machine,
): (state: State, context: Context, event: EventFromLogic<Machine>) => Step<State, Context> {
  if (machine.root.transitions.size > 0)
    throw new Error('the machine is not flat: it has transitions beside its states');
  const listings = new Map<string, ReadonlyMap<string, readonly Listing[]>>();
  for (const node of Object.values(machine.states)) {
    assertFlat(node);
    listings.set(node.key, listingsOf(node));
  }
  return (state, context, event) => {
    const chosen = firstThatHolds(listings.get(state)?.get(event.type) ?? NONE, { context, event });
    if (chosen === undefined) return { state, context, actions: NONE };
    let next = context;
    const actions: { type: string; params: unknown }[] = [];
    for (const action of chosen.actions) {
      const args = { context: next, event };
      if ('assignment' in action) next = { ...next, ...assigned(action.assignment, args) };
      else
        actions.push({
          type: action.type,
          params: typeof action.params === 'function' ? action.params(args) : action.params,
        });
    }
    return { state: (chosen.target ?? state) as State, context: next, actions };
  };
}

function firstThatHolds(listed: readonly Listing[], args: Args): Listing | undefined {
  for (const listing of listed) if (listing.guard === undefined || listing.guard(args)) return listing;
  return undefined;
}

function listingsOf(node: AnyStateMachine['states'][string]): ReadonlyMap<string, readonly Listing[]> {
  return new Map(
    [...node.transitions].map(([event, transitions]) => [
      event,
      transitions.map(({ guard, target, actions }) => ({
        guard: guard as Listing['guard'],
        target: target?.[0]?.key,
        actions: actions as unknown as readonly Listed[],
      })),
    ]),
  );
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
  const transitions = [...node.transitions.values()].flat();
  const listed = transitions.flatMap(({ actions }) => actions as unknown as readonly Listed[]);
  const strange =
    listed.some((action) => !('assignment' in action) && (!action.type || action.type.startsWith('xstate.'))) ||
    transitions.some(({ guard }) => guard !== undefined && (typeof guard !== 'function' || 'check' in guard)) ||
    [...node.transitions.keys()].some((event) => event.includes('*'));
  if (nested || more > 0 || strange) throw new Error(`the machine is not flat at "${node.key}"`);
}
