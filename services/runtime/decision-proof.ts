/**
 * Compares a decision on the bus with placement's record of the VM. Placement writes each decision into that record before it publishes
 * it. So a decision that the record contradicts was made up by another client of the bus.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Data } from '#shared/events/index.ts';
import { seqOfCancelled } from '#shared/migration/migration.ts';
import { CLOCKS_DIFFER_MS } from '#shared/migration/ordered-moves.ts';
import { type KeptVm, VM_RECORD } from '#shared/policy/state/kept-vm.ts';
import type { Store } from '#shared/store/store.ts';
import { keyOf, VM_PREFIX } from '../placement/keys.ts';
import { readWritten } from './written-record.ts';

type Decided = Data<'placement.decided.v1'>;

/** Placement's last decision on a VM, by its record. */
export interface KeptOrder {
  readonly vm: KeptVm;
  /** The events that were written with it. The next change of the VM replaces them. */
  readonly outbox: readonly unknown[];
}

/**
 * Reads placement's record of a VM.
 * @param partitions of the bus
 * @returns undefined: placement has no such VM; `unreadable`: this program cannot read the record, so it proves nothing
 * @throws TagalongError STORE_UNREACHABLE
 */
export async function readOrder(
  store: Store,
  vm: string,
  partitions: number,
): Promise<KeptOrder | 'unreadable' | undefined> {
  const written = await readWritten(store, VM_PREFIX + keyOf(vm, partitions), VM_RECORD);
  return typeof written === 'object' ? { vm: written.value, outbox: written.outbox } : written;
}

/** Placement made the decision, or may have made it, and no longer wants the move. */
export const OVERTAKEN = 'overtaken';

/**
 * Compares a decision with placement's record.
 * @returns undefined: nothing is against it; {@link OVERTAKEN}; or why placement cannot have made it
 */
export function judgeDecision(decided: Decided, kept: KeptOrder | 'unreadable' | undefined): string | undefined {
  if (kept === 'unreadable') return undefined;
  if (kept === undefined) return 'placement has no such VM';
  const { decision, vm, seq, atMs, verdict, from, to, cancels } = decided;
  const { mind, nowMs } = kept.vm;
  const { move } = mind;
  if (decision !== `${vm}:${seq}`) return 'VM and number do not fit its name';
  if (seq > mind.seq) return `placement has made ${mind.seq} decisions on this VM`;
  if (atMs > nowMs + CLOCKS_DIFFER_MS) return 'its time is later than any that placement has seen of this VM';
  const written = kept.outbox.find((entry) => (entry as { id?: unknown } | null)?.id === decision);
  if (written !== undefined && !isSame(decided, (written as { data?: unknown }).data)) {
    return 'placement has made another decision of this number';
  }
  if (verdict === 'move') {
    if (move === null || move.decision !== decision) return OVERTAKEN;
    const isOrdered = from === move.from && to === move.to;
    return isOrdered ? undefined : `placement ordered the move ${move.from} to ${move.to}`;
  }
  if (verdict === 'stay') return undefined;
  const cancelled = seqOfCancelled(decided);
  if (cancelled === undefined || cancelled >= seq) return 'it cancels no earlier decision on this VM';
  if (move?.decision !== cancels) return undefined;
  return move?.cancelling && to === move.to ? undefined : 'placement has not cancelled this move';
}

/** The members on which the migrator acts. */
const partsOf = ({ verdict, atMs, from, to, cancels, orderedBy, spec }: Partial<Decided>) => [
  ...[verdict, atMs, from, to, cancels, orderedBy],
  ...Object.entries(spec ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1)),
];

function isSame(decided: Decided, written: unknown): boolean {
  return isDeepStrictEqual(partsOf(decided), partsOf((written ?? {}) as Partial<Decided>));
}
