/** The records that an agent holds of one VM. `kinds.ts` has their stored form. */
import type { CopyOrder, InstanceStatus, LanAddress, Machine, ReceiverInfo } from '#shared/hypervisor/qemu/protocol.ts';

/** A part that this site has in a migration. */
export interface MoveRecord {
  readonly migration: string;
  readonly role: 'source' | 'destination';
  /** The other site. */
  readonly peer: string;
  readonly landing: ReceiverInfo;
  /** The far and the near end of the stretched LANs. */
  readonly stretch: { readonly remote: string; readonly local: string };
  readonly done: readonly ('leave' | 'announce' | 'disk' | 'memory')[];
  readonly unjoined: number;
  /** Source: what is missing of its memory follows it. Written down before the VM stands still for that. */
  readonly postCopy?: boolean;
  /** The order by which its memory is copied. */
  readonly copy?: CopyOrder;
}

/** One VM at this site. */
export interface InstanceRecord {
  readonly vm: string;
  readonly machine: Machine;
  readonly nic: 0 | 1;
  readonly lan: LanAddress;
  /** The QEMU process: its id, and when it began in ticks since boot, which tells it from a later one of that id. */
  readonly qemu: { readonly pid: number; readonly startTicks: number };
  /**
   * Whose the VM is. `home`: this site's, it runs here or may be run. `incoming`: another's. `handed-over`: it was this
   * site's and is another's for good.
   */
  readonly ownership: 'home' | 'incoming' | 'handed-over';
  readonly move?: MoveRecord;
  readonly arrivedBy?: string;
  readonly stoppedAtMs?: number;
  readonly resumedAtMs?: number;
  /** What the move took, as the source saw it. */
  readonly sent?: Pick<InstanceStatus, 'copy' | 'disk' | 'carriage' | 'qemuDowntimeMs'>;
}
