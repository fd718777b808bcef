/** A migration as it begins, and as it is recorded where its figures or texts are refused. */
import type { Data, VmSpec } from '../events/index.ts';
import { NOTHING_MEASURED } from '../model/measured.ts';
import type { Migration } from './machine.ts';

/** The context of a migration that was just decided. @param paths ids of the paths between both sites */
export function newMigration(decided: Data<'placement.decided.v1'>, paths: readonly string[]): Migration {
  return {
    id: decided.decision,
    vm: decided.vm,
    seq: decided.seq,
    from: decided.from,
    to: decided.to,
    spec: decided.spec!,
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

/** The number of the cancelled decision; undefined where it is not one on this VM. */
export function seqOfCancelled({ vm, cancels }: Data<'placement.decided.v1'>): number | undefined {
  const seq = cancels?.startsWith(`${vm}:`) ? Number(cancels.slice(vm.length + 1)) : Number.NaN;
  return Number.isSafeInteger(seq) ? seq : undefined;
}

/** Longest text in characters. */
const MAX_TEXT = 512;

/** A foreign text, short enough to be recorded and published. */
export function truncated(text: string): string {
  return text.slice(0, MAX_TEXT);
}

/** The same migration without anything that may be too large: figures begin anew, texts are truncated, sizes are clamped. */
export function withoutOversized(migration: Migration): Migration {
  const { undo, clientGapMs, spec } = migration;
  const size = (bytes: number) => Math.min(Math.max(bytes, 0), Number.MAX_SAFE_INTEGER) || 0;
  const texts =
    undo &&
    ('by' in undo ? { by: truncated(undo.by) } : { code: truncated(undo.code), reason: truncated(undo.reason) });
  return {
    ...migration,
    spec: Object.fromEntries(Object.entries(spec).map(([key, value]) => [key, size(value)])) as VmSpec,
    paths: migration.paths.filter((path) => path.length <= MAX_TEXT).slice(0, MAX_PATHS),
    measured: NOTHING_MEASURED,
    clientGapMs: clientGapMs === null ? null : size(clientGapMs),
    undo: texts,
  };
}

/** More than two sites have in common. */
const MAX_PATHS = 64;
