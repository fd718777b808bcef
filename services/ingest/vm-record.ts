/** What ingest keeps of a VM: how it was declared last, so that it is said once. */
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

/** Where the record of a VM lies. */
export const vmKey = (vm: string) => `ingest/vm/${vm}`;
