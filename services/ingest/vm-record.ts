/** Ingest's record of a VM: its last declaration, so that a repeated one publishes nothing. */
import Type from 'typebox';
import { closed, Name, orNull, recordKind, StoredAffinity, StoredSpec } from '#shared/store/records.ts';

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
