/** Whether a QEMU runs its VM, and how it comes to. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '#shared/errors.ts';
import type { InstanceStatus } from '#shared/hypervisor/qemu/protocol.ts';
import type { InstanceRecord } from './instance-record.ts';
import { isPostCopy, type MigrateInfo } from './memory.ts';
import { isAlive } from './process.ts';
import { type Qmp, statusOf } from './qmp.ts';

/** How long a destination may load the last of what was sent. */
const LOAD_MS = 30_000;
/** A source that was told to stop a migration goes back to running by itself; later than that it is told to. */
const BACK_MS = 500;
const STUCK_MS = 10_000;

const migrationOf = async (qmp: Qmp) => (await qmp.execute<MigrateInfo>('query-migrate')).status ?? 'none';

/** The state of a VM here, by its record and by what its QEMU says. */
export async function stateOf(record: InstanceRecord, qmp: Qmp | undefined): Promise<InstanceStatus['state']> {
  const { ownership, qemu } = record;
  if (!(await isAlive(qemu))) return ownership === 'handed-over' ? 'handed-over' : 'dead';
  if (ownership === 'handed-over') return 'handed-over';
  const silent = ownership === 'home' ? 'stopped' : 'receiving';
  if (!qmp?.isOpen) return silent;
  // It may end while it is asked; that it does not answer does not mean that it has.
  return saidState(qmp, ownership).catch(async () => ((await isAlive(qemu)) ? silent : 'dead'));
}

/** What a living QEMU makes of a VM that is this site's, or awaited here. */
async function saidState(
  qmp: Qmp,
  ownership: Exclude<InstanceRecord['ownership'], 'handed-over'>,
): Promise<InstanceStatus['state']> {
  const status = await statusOf(qmp);
  if (ownership === 'home') return status === 'running' ? 'running' : 'stopped';
  return status === 'paused' && (await canRun(qmp, status)) ? 'received' : 'receiving';
}

/** Whether a VM that was awaited can be let run: it is here as a whole, or by post-copy all of it but memory. */
async function canRun(qmp: Qmp, status: string): Promise<boolean> {
  const migration = await migrationOf(qmp);
  return migration === 'completed' || (status === 'paused' && isPostCopy(migration));
}

/**
 * Waits until a VM can be let run: the source may be done with sending long before the destination is with loading.
 * @throws TagalongError NOT_RECEIVED where it is not here yet, COPY_FAILED where it never will be
 */
export async function untilReceived(qmp: Qmp, vm: string): Promise<void> {
  for (const untilMs = performance.now() + LOAD_MS; ; await sleep(2)) {
    if (await canRun(qmp, await statusOf(qmp))) return;
    const status = await migrationOf(qmp);
    const failed = status === 'failed' || status === 'none';
    if (failed || performance.now() > untilMs) {
      const code = failed ? 'COPY_FAILED' : 'NOT_RECEIVED';
      throw new TagalongError(code, `${vm}: not all of it is here (QEMU says ${status})`);
    }
  }
}

/**
 * Calls a migration off at its source, and has the VM run on.
 * @returns false where it cannot: in post-copy QEMU calls nothing off, and lets the VM run no more
 * @throws TagalongError QEMU_SILENT
 */
export async function runOnAtSource(qmp: Qmp, vm: string): Promise<boolean> {
  const migration = await migrationOf(qmp);
  const wasSent = migration === 'completed';
  if (!isPostCopy(migration)) await qmp.execute('migrate_cancel').catch(() => {});
  for (const beganMs = performance.now(); ; await sleep(10)) {
    const status = await statusOf(qmp);
    if (status === 'running') return true;
    const now = await migrationOf(qmp);
    if (isPostCopy(now)) return false;
    const isOver = !['cancelling', 'active', 'pre-switchover', 'device'].includes(now);
    const waitedMs = performance.now() - beganMs;
    // One that had been sent whole, or was stopped by us, does not come back by itself.
    if (isOver && (wasSent || status === 'paused' || waitedMs > BACK_MS)) await qmp.execute('cont');
    else if (waitedMs > STUCK_MS) {
      throw new TagalongError('QEMU_SILENT', `${vm} stays ${status} although its move was called off`);
    }
  }
}
