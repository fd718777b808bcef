/** Explanations from which nobody can compute where users are. */
import type { Explained } from './words.ts';

/**
 * An explanation without the figures that depend on where users are. The cost of serving at a site is a distance: with the costs at
 * three sites anybody finds the user. The list of candidates is omitted too, because it names the nearest sites in their order.
 */
export type CoarseExplained = Pick<
  Explained,
  'vm' | 'home' | 'state' | 'policy' | 'reason' | 'sessions' | 'lastMove' | 'orderedBy' | 'affinity'
> & { readonly isCoarse: true };

/** Omits these figures. */
export function coarse(explained: Explained): CoarseExplained {
  const { vm, home, state, policy, reason, sessions, lastMove, orderedBy, affinity } = explained;
  return {
    ...{ vm, home, state, policy, reason, sessions, isCoarse: true },
    ...(lastMove && { lastMove }),
    ...(orderedBy !== undefined && { orderedBy }),
    ...(affinity && { affinity }),
  };
}

/** An explanation without the names of those who ordered something, for people who have not signed in. */
export function withoutNames<E extends Explained | CoarseExplained>({
  orderedBy: _,
  ...explained
}: E): Omit<E, 'orderedBy'> {
  const { lastMove } = explained;
  if (lastMove === undefined) return explained;
  const { orderedBy: __, cancelledBy: ___, ...rest } = lastMove;
  return { ...explained, lastMove: rest };
}

/** True for an explanation without figures. */
export function isCoarse(explained: Explained | CoarseExplained): explained is CoarseExplained {
  return 'isCoarse' in explained;
}

/** A coarse explanation as one sentence. @param movingTo the destination of the VM's move under way; undefined if it is unknown */
export function coarseWords(
  { vm, home, state, reason, orderedBy }: CoarseExplained,
  movingTo: string | undefined,
): string {
  const by = orderedBy === undefined ? '' : `, as ${orderedBy} ordered`;
  if (state === 'moving') return `${vm} is moving from ${home}${movingTo === undefined ? '' : ` to ${movingTo}`}${by}.`;
  return `${vm} is at ${home}: ${state} (${reason}). Operators also see the figures.`;
}
