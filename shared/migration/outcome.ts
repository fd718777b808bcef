/**
 * The end of a migration. Services, simulations and the command line all use this code for the outcome, the site where the VM
 * runs, and the cause. So all of them describe the same end in the same words.
 */
import { type FactOf, TERMINAL_TYPES } from '../events/index.ts';

/** The end of a migration. */
export type Outcome = 'completed' | 'failed' | 'cancelled';

/** A fact that ends a migration. */
export type EndFact = FactOf<(typeof TERMINAL_TYPES)[number]>;

/** The content of the fact that ends a migration. */
export interface MigrationEnd {
  readonly outcome: Outcome;
  /** The site where the VM runs after the end. */
  readonly runsAt: string;
  /** Why it failed, or who cancelled it, and in which phase: one line for people. Empty if it completed. */
  readonly because: string;
}

/** True if a fact, or an event, ends its migration. */
export function isEnd<F extends { readonly type: string }>(fact: F): fact is Extract<F, { type: EndFact['type'] }> {
  return (TERMINAL_TYPES as readonly string[]).includes(fact.type);
}

/** Reads the end of a migration from a terminal fact or event. */
export function endOf({ type, data }: EndFact): MigrationEnd {
  switch (type) {
    case 'migration.completed.v1':
      return { outcome: 'completed', runsAt: data.to, because: '' };
    case 'migration.failed.v1': {
      const { code, phase, reason, runsAt } = data;
      return { outcome: 'failed', runsAt, because: `${code} in ${phase}: ${reason}` };
    }
    case 'migration.cancelled.v1':
      return { outcome: 'cancelled', runsAt: data.from, because: `by ${data.by} in ${data.phase}` };
  }
}
