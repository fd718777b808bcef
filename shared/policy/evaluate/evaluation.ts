/** The result of evaluating a VM, and the reasons that are published of it. */
import type { Vm } from '../state/state.ts';
import type { DecisionSource } from '../state/vm-context.ts';
import { ABOUT_DESTINATION } from './filters.ts';
import type { Choice } from './weighed.ts';

/**
 * The policy's advice: stay; move at `readyAtMs`; or `blocked`: it would move, but a filter refuses, or its turn comes at `turnMs`
 * only. `reason` is published. A move that is ready has a `choice`; most evaluations of better sites find none that is ready.
 */
export type Advice =
  | { readonly kind: 'stay'; readonly reason: string }
  | { readonly kind: 'blocked'; readonly reason: string; readonly turnMs?: number }
  | { readonly kind: 'move'; readonly reason: string; readonly readyAtMs: number; readonly choice?: Choice };

/**
 * Why a VM has to leave its home: the site drains or is silent, the VM may not run there any more, or another VM is there from which it
 * is kept apart.
 */
export type HomeLost = 'not-allowed' | 'draining' | 'silent' | 'shared';

/** The result of evaluating a VM at one instant. */
export interface Evaluation {
  readonly populated: boolean;
  /** Why the VM has to leave its home. */
  readonly homeLost: HomeLost | null;
  readonly advice: Advice;
  /** The site to evacuate to; computed only if the home is lost. */
  readonly refuge: Choice | undefined;
  /** When the turn of its evacuation comes, if the paths to all refuges are in use, in ms since the epoch. */
  readonly refugeTurnMs?: number;
  /** During a move: how much less it costs to serve from the destination than from the home, in user-milliseconds a second. */
  readonly targetGain: number;
  /** Why a move that was ordered is to be called off, beside a negative gain. */
  readonly callOff?: string | undefined;
}

/** The destination of a VM whose home is lost. */
export type Flight = Pick<Evaluation, 'refuge' | 'refugeTurnMs'>;
/** It goes nowhere now. */
export const NO_FLIGHT: Flight = { refuge: undefined };

/** The published reason of a moving VM, by the source of its decision. */
export const MOVING_BECAUSE: Readonly<Record<DecisionSource, string>> = {
  policy: 'better-site',
  evacuation: 'home-lost',
  operator: 'ordered',
};

/** The reason why no decision is possible now: the VM's move or its cooldown; undefined: one is possible. */
export function engaged({ state, context }: Vm, nowMs: number): string | undefined {
  if (context.move) return MOVING_BECAUSE[context.move.source];
  return context.deadlineMs !== null && nowMs < context.deadlineMs ? state : undefined;
}

/** The published reason of a VM after an evaluation. */
export function reasonOf({ homeLost, advice }: Evaluation): string {
  if (homeLost !== null) return `home-${homeLost}`;
  const { kind, reason } = advice;
  return kind === 'blocked' && ABOUT_DESTINATION.has(reason) ? `better-site-${reason}` : reason;
}
