/** The record of one VM at one site. `kinds.ts` has the stored form. */
import type { CopyOrder, InstanceStatus, LanAddress, Machine, ReceiverInfo } from '#shared/hypervisor/qemu/protocol.ts';

/** This site's part in a migration. */
export interface MoveRecord {
  readonly migration: string;
  readonly role: 'source' | 'destination';
  /** The other site. */
  readonly peer: string;
  /** Where the destination's QEMU waits. */
  readonly landing: ReceiverInfo;
  /** The far and the near end of the stretched LANs. */
  readonly stretch: { readonly remote: string; readonly local: string };
  /** The steps of the move that are done here. */
  readonly done: readonly ('leave' | 'announce' | 'disk' | 'memory')[];
  /** How many connections had not joined the new address when the wait was over. */
  readonly unjoined: number;
  /** Source: the rest of the memory follows by post-copy. Written down before the VM is stopped for that. */
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
  /** The QEMU process: its id, and its start in ticks since boot, because ids are used again. */
  readonly qemu: { readonly pid: number; readonly startTicks: number };
  /**
   * To which site the VM belongs. `home`: to this one, it may run here. `incoming`: to another one, a receiver waits here.
   * `handed-over`: it belonged here and belongs to another site for good.
   */
  readonly ownership: 'home' | 'incoming' | 'handed-over';
  readonly move?: MoveRecord;
  /** The migration by which it came here. */
  readonly arrivedBy?: string;
  /** When it stopped for the switch-over and when it was resumed: this host's clock, milliseconds since the epoch. */
  readonly stoppedAtMs?: number;
  readonly resumedAtMs?: number;
  /** Source: the figures of the copies once the VM was handed over. */
  readonly sent?: Pick<InstanceStatus, 'copy' | 'disk' | 'carriage' | 'qemuDowntimeMs'>;
}
