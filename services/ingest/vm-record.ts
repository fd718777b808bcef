/** Ingest's record of a VM: its last declaration, so that a repeated one publishes nothing. */
import Type from 'typebox';
import { Amount, closed, Name, orNull, recordKind, StoredSpec } from '#shared/store/records.ts';

const StoredSites = Type.Optional(Type.Array(Name));
const StoredAffinity = Type.Object(
  {
    allowed: StoredSites,
    preferred: StoredSites,
    avoided: StoredSites,
    preferenceUserMsPerS: Amount,
    apart: Type.Optional(Name),
    group: Type.Optional(Type.Object({ lead: Name, apartUserMsPerS: Amount }, closed)),
  },
  closed,
);

/** The kind of these records. */
export const DECLARED_VM_RECORD = recordKind({
  kind: 'declared-vm',
  keys: 'ingest/vm/<VM>',
  owner: 'ingest',
  version: 2,
  schema: Type.Object({ home: Name, spec: StoredSpec, affinity: orNull(StoredAffinity) }, closed),
  upgrade: { 0: (old) => old, 1: (old) => ({ ...old, affinity: null }) },
});

/** The key of a VM's record. */
export const vmKey = (vm: string) => `ingest/vm/${vm}`;
