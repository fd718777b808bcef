/** Ingest's record of a VM: its last declaration, so that a repeated one publishes nothing. */
import Type from 'typebox';
import { TagalongError } from '#shared/errors.ts';
import { closed, Name, orNull, recordKind, StoredAffinity, StoredSpec } from '#shared/store/records.ts';

/** The kind of these records. */
export const DECLARED_VM_RECORD = recordKind({
  kind: 'declared-vm',
  keys: 'ingest/vm/<VM>',
  owner: 'ingest',
  version: 3,
  schema: Type.Object({ home: Name, spec: StoredSpec, affinity: orNull(StoredAffinity) }, closed),
  upgrade: { 0: (old) => old, 1: (old) => ({ ...old, affinity: null }), 2: (old) => old },
});

/** The key of a VM's record. */
export const vmKey = (vm: string) => `ingest/vm/${vm}`;

/** The error about a VM that was not declared. */
export function unknownVm(vm: string): TagalongError {
  return new TagalongError(
    'VM_UNKNOWN',
    `no VM "${vm}" is declared; "tagalong status" lists the VMs, PUT /v1/vms/${vm} declares one`,
  );
}
