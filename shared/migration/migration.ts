/** Makes the context of a new migration, and reduces one whose record or events were refused as too large. */
import type { Data } from '../events/index.ts';
import { NOTHING_MEASURED } from '../model/measured.ts';
import type { Migration } from './context.ts';

/** The context of a migration before its first state. @param paths ids of the paths between both sites */
export function newMigration(decided: Data<'placement.decided.v1'>, paths: readonly string[]): Migration {
  return {
    id: decided.decision,
    vm: decided.vm,
    seq: decided.seq,
    from: decided.from,
    to: decided.to,
    spec: decided.spec!,
    ...(decided.orderedBy !== undefined && { orderedBy: decided.orderedBy }),
    paths,
    acceptedAtMs: decided.atMs,
    startedAtMs: null,
    phase: 'queue',
    phaseAtMs: {},
    deadlineMs: null,
    measured: NOTHING_MEASURED,
    switchAtMs: null,
    clientGapMs: null,
    switched: false,
    undo: null,
    retries: 0,
    runsAt: decided.from,
    endedAtMs: null,
  };
}

/** The number of a decision on a VM, from 1 on; undefined: `decision` is not the id of one. */
export function seqOfDecision(vm: string, decision: string): number | undefined {
  const seq = Number(decision.slice(vm.length + 1));
  return decision === `${vm}:${seq}` && Number.isSafeInteger(seq) && seq >= 1 ? seq : undefined;
}

/** The number of the decision that `cancels` names; undefined if it is not a decision on this VM. */
export function seqOfCancelled({ vm, cancels }: Data<'placement.decided.v1'>): number | undefined {
  return cancels === undefined ? undefined : seqOfDecision(vm, cancels);
}

/** Longest text in characters. */
const MAX_TEXT = 512;

/** Truncates a foreign text, so that it can be stored and published. */
export function truncated(text: string): string {
  return text.slice(0, MAX_TEXT);
}

/** The migration with a bounded size: figures are reset, texts truncated, sizes clamped. */
export function withoutOversized(migration: Migration): Migration {
  const { undo, clientGapMs, spec } = migration;
  const size = (figure: number) => Math.min(Math.max(figure, 0), Number.MAX_SAFE_INTEGER) || 0;
  const texts =
    undo &&
    ('by' in undo
      ? { ...undo, by: truncated(undo.by) }
      : { code: truncated(undo.code), reason: truncated(undo.reason) });
  return {
    ...migration,
    spec: {
      ramBytes: size(spec.ramBytes),
      dirtyRateBps: size(spec.dirtyRateBps),
      workingSetBytes: size(spec.workingSetBytes),
      diskBytes: size(spec.diskBytes),
      downtimeLimitMs: size(spec.downtimeLimitMs),
      targetRttMs: size(spec.targetRttMs),
    },
    paths: migration.paths.filter((path) => path.length <= MAX_TEXT).slice(0, MAX_PATHS),
    measured: NOTHING_MEASURED,
    clientGapMs: clientGapMs === null ? null : size(clientGapMs),
    undo: texts,
  };
}

/** An upper bound of the number of paths between two sites. */
const MAX_PATHS = 64;
