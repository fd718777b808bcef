/** Ingest's record of a VM: its last declaration, so that a repeated one publishes nothing. */
import Type from 'typebox';
import { closed, Name, recordKind, StoredSpec } from '#shared/store/records.ts';

/** The kind of these records. */
export const DECLARED_VM_RECORD = recordKind({
  kind: 'declared-vm',
  keys: 'ingest/vm/<VM>',
  owner: 'ingest',
  version: 1,
  schema: Type.Object({ home: Name, spec: StoredSpec }, closed),
  upgrade: { 0: (old) => old },
});

/** The key of a VM's record. */
export const vmKey = (vm: string) => `ingest/vm/${vm}`;
