/**
 * Steps an xstate machine purely: state and context in, next state, next context and the actions as data out. The same
 * as xstate's own `transition()`, for a fraction of its price: that builds an actor for every call, this uses one.
 */
import { type AnyStateMachine, createActor, type EventFromLogic, type InputFrom } from 'xstate';

export interface Step<State, Context> {
  readonly state: State;
  readonly context: Context;
  /** Custom actions with their parameters, in the order in which they were listed. */
  readonly actions: readonly { readonly type: string; readonly params: unknown }[];
}

/**
 * @param input any valid input; only gives the machine an actor to refer to
 * @returns a pure function from state, context and event to the next ones
 */
export function stepper<Machine extends AnyStateMachine, State extends string, Context>(
  machine: Machine,
  input: InputFrom<Machine>,
): (state: State, context: Context, event: EventFromLogic<Machine>) => Step<State, Context> {
  const actor = createActor(machine, { input } as never);
  // biome-ignore lint/suspicious/noExplicitAny: a snapshot of a machine that is not known here
  const snapshots = new Map<State, any>();
  let actions: { type: string; params: unknown }[] = [];
  const scope = {
    self: actor,
    id: machine.id,
    sessionId: machine.id,
    system: actor.system,
    logger: () => {},
    defer: () => {},
    stopChild: () => {},
    emit: () => {},
    actionExecutor: ({ type, params }: { type: string; params: unknown }) => {
      actions.push({ type, params });
    },
  };
  return (state, context, event) => {
    let base = snapshots.get(state);
    if (base === undefined) {
      base = machine.resolveState({ value: state, context } as never);
      snapshots.set(state, base);
    }
    actions = [];
    const next = machine.transition({ ...base, context }, event as never, scope as never);
    return { state: next.value as State, context: next.context as Context, actions };
  };
}
