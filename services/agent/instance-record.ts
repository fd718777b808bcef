/** The record of one VM at one site. `kinds.ts` has the stored form. */
import type { CopyOrder, InstanceStatus, LanAddress, Machine, ReceiverInfo } from '#shared/hypervisor/qemu/protocol.ts';

/** This site's part in a migration. */
export interface MoveRecord {
  readonly migration: string;
  readonly role: 'source' | 'destination';
  /** The other site. */
  readonly peer: string;
  /** The addresses and ports at which the destination's QEMU listens. */
  readonly landing: ReceiverInfo;
  /** The remote and the local address of the tunnels. */
  readonly stretch: { readonly remote: string; readonly local: string };
  /** The steps of the move that are done here. */
  readonly done: readonly ('leave' | 'announce' | 'disk' | 'memory')[];
  /** The number of connections that had not joined the new address when the wait ended. */
  readonly unjoined: number;
  /** Source: the rest of the memory follows by post-copy. Recorded before the VM is stopped for it. */
  readonly postCopy?: boolean;
  /** The order to copy the memory. */
  readonly copy?: CopyOrder;
}

/** One VM at this site. */
export interface InstanceRecord {
  readonly vm: string;
  readonly machine: Machine;
  readonly nic: 0 | 1;
  readonly lan: LanAddress;
  /** The QEMU process: its id, and its start in ticks since boot, because the system reuses ids. */
  readonly qemu: { readonly pid: number; readonly startTicks: number };
  /**
   * The owner of the VM. `home`: this site, the VM may run here. `incoming`: another site, and a receiver waits here.
   * `handed-over`: this site has given the VM to another one for good.
   */
  readonly ownership: 'home' | 'incoming' | 'handed-over';
  readonly move?: MoveRecord;
  /** The migration by which it came here. */
  readonly arrivedBy?: string;
  /** When it stopped for the switch-over and when it was resumed: this host's clock, milliseconds since the epoch. */
  readonly stoppedAtMs?: number;
  readonly resumedAtMs?: number;
  /** Source: the figures of the copies, recorded at the hand-over. */
  readonly sent?: Pick<InstanceStatus, 'copy' | 'disk' | 'carriage' | 'qemuDowntimeMs'>;
}
