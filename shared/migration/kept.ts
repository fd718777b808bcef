/** The stored shape of a VM's present or last migration. Its declaration is separate from the shape in memory (`machine.ts`). */
import Type, { type Static } from 'typebox';
import { PHASES } from '../events/index.ts';
import { NOTHING_MEASURED } from '../model/measured.ts';
import { Amount, Count, closed, Ms, Name, oneOf, orNull, recordKind, StoredSpec, Text } from '../store/records.ts';
import type { KeptRecord } from './output.ts';

const KeptMeasured = Type.Object(
  {
    pauseMs: Amount,
    interruptionMs: Amount,
    hypervisorDowntimeMs: Type.Optional(Amount),
    bytes: Amount,
    bytesByPath: Type.Record(Type.String(), Amount),
    rounds: Count,
    subflows: Count,
    degraded: Type.Array(Text),
  },
  closed,
);

const KeptMigration = Type.Object(
  {
    state: oneOf(['queued', ...PHASES, 'undoing', 'asking', 'completed', 'failed', 'cancelled']),
    migration: Type.Object(
      {
        id: Name,
        vm: Name,
        seq: Count,
        from: Name,
        to: Name,
        spec: StoredSpec,
        orderedBy: Type.Optional(Text),
        paths: Type.Array(Name),
        acceptedAtMs: Ms,
        startedAtMs: orNull(Ms),
        phase: oneOf(['queue', ...PHASES]),
        phaseAtMs: Type.Partial(
          Type.Object({ prepare: Ms, announce: Ms, disk: Ms, memory: Ms, switch: Ms, release: Ms }, closed),
        ),
        deadlineMs: orNull(Ms),
        measured: KeptMeasured,
        switchAtMs: orNull(Ms),
        clientGapMs: orNull(Amount),
        switched: Type.Boolean(),
        undo: orNull(
          Type.Union([
            Type.Object({ by: Text, name: Type.Optional(Text) }, closed),
            Type.Object({ code: Text, reason: Text }, closed),
          ]),
        ),
        retries: Count,
        runsAt: Name,
        endedAtMs: orNull(Ms),
      },
      closed,
    ),
  },
  closed,
);
/** A migration as it is stored. */
export type KeptMigration = Static<typeof KeptMigration>;

/** The kind of these records. */
export const MIGRATION_RECORD = recordKind({
  kind: 'migration',
  keys: 'migrator/vm/<VM>',
  owner: 'migrator',
  version: 2,
  schema: KeptMigration,
  // Version 1 does not say who ordered or cancelled the move.
  upgrade: { 0: fromVersion0, 1: (old) => old },
});

/** Converts a migration to its stored shape. */
export function keepMigration({ state, migration }: KeptRecord): KeptMigration {
  const { orderedBy } = migration;
  return {
    state,
    migration: {
      id: migration.id,
      vm: migration.vm,
      seq: migration.seq,
      from: migration.from,
      to: migration.to,
      spec: migration.spec,
      ...(orderedBy !== undefined && { orderedBy }),
      paths: migration.paths as string[],
      acceptedAtMs: migration.acceptedAtMs,
      startedAtMs: migration.startedAtMs,
      phase: migration.phase,
      phaseAtMs: migration.phaseAtMs,
      deadlineMs: migration.deadlineMs,
      measured: migration.measured,
      switchAtMs: migration.switchAtMs,
      clientGapMs: migration.clientGapMs,
      switched: migration.switched,
      undo: migration.undo,
      retries: migration.retries,
      runsAt: migration.runsAt,
      endedAtMs: migration.endedAtMs,
    },
  };
}

/** Longest text in characters: as long as a text of an event. */
const MAX_TEXT = 512;

// biome-ignore lint/suspicious/noExplicitAny: what old programs stored.
type Old = any;

/** Version 0 has no version number. Its oldest form has no times of the phases. */
function fromVersion0({ state, migration }: Old): unknown {
  const { measured, undo } = migration;
  return {
    state,
    migration: {
      ...{ switchAtMs: null, clientGapMs: null, retries: 0, endedAtMs: null, phaseAtMs: {} },
      ...migration,
      measured: { ...NOTHING_MEASURED, ...measured },
      undo: undo?.reason === undefined ? undo : { ...undo, reason: String(undo.reason).slice(0, MAX_TEXT) },
    },
  };
}
