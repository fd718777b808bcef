/** The progress of the copies of moves, from their progress events. */
import type { Data, VmSpec } from '../../events/index.ts';
import type { CopyProgress } from '../../model/shared-moves.ts';

/**
 * The progress of a copy after one more event. It names no more bytes than the VM has.
 * @returns undefined: the event says nothing new about a copy
 */
export function progressAfter(
  last: CopyProgress | null,
  { atMs, phase, round, remainingBytes: named, rateBps }: Data<'migration.progressed.v1'>,
  { diskBytes, ramBytes }: VmSpec,
): CopyProgress | undefined {
  if (phase !== 'disk' && phase !== 'memory') return undefined;
  if (last !== null && atMs < last.atMs) return undefined;
  const remainingBytes = Math.min(named, phase === 'disk' ? diskBytes : ramBytes);
  const goesOn = last !== null && last.phase === phase && last.round === round;
  if (goesOn && last.remainingBytes === remainingBytes) return undefined;
  const { sinceMs, roundBytes } = goesOn ? last : { sinceMs: atMs, roundBytes: remainingBytes };
  return { atMs, phase, round, remainingBytes, rateBps, sinceMs, roundBytes };
}
