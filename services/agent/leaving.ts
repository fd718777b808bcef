/** A VM that leaves: as far as the copies of its memory and its disk need to know it. */
import type { AgentConfig } from '#shared/config/agent.ts';
import type { Log } from '#shared/log.ts';
import type { QemuFiles } from './command-line.ts';
import type { InstanceRecord, MoveRecord } from './instance-record.ts';
import type { Qmp } from './qmp.ts';
import type { Records } from './record.ts';

export interface InstanceContext {
  readonly config: AgentConfig;
  readonly records: Records;
  /** The folder with the certificates that QEMU shows to QEMU; undefined where it shows none. */
  readonly certificates: string | undefined;
  readonly log: Log;
}

/** The instance that is to leave, as far as its copies need it. */
export interface Leaving {
  readonly context: InstanceContext;
  readonly files: QemuFiles;
  record(): InstanceRecord;
  /** True: the move is given up, and nothing is to be waited for any more. */
  abandoned(): boolean;
  /** Its monitor. @throws TagalongError QEMU_GONE */
  live(): Qmp;
  /** @throws TagalongError ORDER_REFUSED */
  moveOf(migration: string): MoveRecord;
  done(step: 'disk' | 'memory'): Promise<void>;
  save(changes: Partial<InstanceRecord>): Promise<void>;
  stoppedAt(atMs: number): void;
}
