/** The keys of placement's records of VMs. The migrator reads these records, too. */
import { partitionOf } from '#shared/events/index.ts';

/** Begins the keys of VM records; `<partition>/<VM>` follows. */
export const VM_PREFIX = 'placement/vm/';

/** The key of a VM's record after {@link VM_PREFIX}: by partition, so that one of them can be read without the others. */
export function keyOf(vm: string, partitions: number): string {
  return `${partitionOf(vm, partitions)}/${vm}`;
}
