/**
 * Finds out whether QEMU runs its VM, and lets it run: by QEMU's RunState (`query-status`, qapi/run-state.json) and its
 * MigrationStatus (`query-migrate`).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import type { InstanceStatus } from '#shared/hypervisor/qemu/protocol.ts';
import type { InstanceRecord } from './instance-record.ts';
import { isAlive } from './process.ts';
import { type Qmp, runState } from './qmp.ts';
import { isPostCopy, migrationStatus } from './query-migrate.ts';

/** How long a destination may take to load what was sent last. */
const LOAD_MS = 30_000;
/** A source whose migration is cancelled resumes by itself within this time; after it QEMU is told to. */
const RESUME_MS = 500;
const STUCK_MS = 10_000;

/** The state of a VM here, by its record and by what its QEMU says. Never throws. */
export async function stateOf(record: InstanceRecord, qmp: Qmp | undefined): Promise<InstanceStatus['state']> {
  const { ownership, qemu } = record;
  if (!(await isAlive(qemu))) return ownership === 'handed-over' ? 'handed-over' : 'dead';
  if (ownership === 'handed-over') return 'handed-over';
  const silent = ownership === 'home' ? 'stopped' : 'receiving';
  if (!qmp?.isOpen) return silent;
  // QEMU may end while it is asked; that it does not answer does not mean that it has ended.
  return reportedState(qmp, ownership).catch(async () => ((await isAlive(qemu)) ? silent : 'dead'));
}

/** The state that a living QEMU reports of a VM that is at home here, or awaited. */
async function reportedState(
  qmp: Qmp,
  ownership: Exclude<InstanceRecord['ownership'], 'handed-over'>,
): Promise<InstanceStatus['state']> {
  const state = await runState(qmp);
  if (ownership === 'home') return state === 'running' ? 'running' : 'stopped';
  return state === 'paused' && (await canRun(qmp, state)) ? 'received' : 'receiving';
}

/** True: an awaited VM may be resumed. All of it is here, or in post-copy all but its memory. */
async function canRun(qmp: Qmp, state: string): Promise<boolean> {
  const migration = await migrationStatus(qmp);
  return migration === 'completed' || (state === 'paused' && isPostCopy(migration));
}

/**
 * Waits until a VM may be resumed: the source may have sent everything long before the destination has loaded it.
 * @throws TagalongError NOT_RECEIVED where it is not here yet, COPY_FAILED where it never will be
 */
export async function untilReceived(qmp: Qmp, vm: string): Promise<void> {
  let status = '';
  const missing = (code: 'COPY_FAILED' | 'NOT_RECEIVED') => {
    const what = `its memory has not arrived completely (QEMU says ${status})`;
    return new TagalongError(code, `${vm}: ${what}; wait, or cancel the move`);
  };
  const isReceived = async () => {
    if (await canRun(qmp, await runState(qmp))) return true;
    status = await migrationStatus(qmp);
    if (status === 'failed' || status === 'none') throw missing('COPY_FAILED');
    return false;
  };
  if (!(await until(isReceived, { everyMs: 2, withinMs: LOAD_MS }))) throw missing('NOT_RECEIVED');
}

/**
 * Cancels a migration at its source, and has the VM run on.
 * @returns false where that is impossible: in post-copy QEMU cancels nothing, and never runs the VM here again
 * @throws TagalongError QEMU_GONE, QEMU_SILENT
 */
export async function runOnAtSource(qmp: Qmp, vm: string): Promise<boolean> {
  const before = await migrationStatus(qmp);
  const wasSent = before === 'completed';
  if (!isPostCopy(before)) await qmp.execute('migrate_cancel').catch(() => {});
  // Not `until`: there are two good ends, and the time decides what is done in each turn.
  for (const beganMs = performance.now(); ; await sleep(10)) {
    const state = await runState(qmp);
    if (state === 'running') return true;
    const migration = await migrationStatus(qmp);
    if (isPostCopy(migration)) return false;
    const isOver = !['cancelling', 'active', 'pre-switchover', 'device'].includes(migration);
    const waitedMs = performance.now() - beganMs;
    // A VM that was sent whole, or that the agent stopped, does not resume by itself.
    if (isOver && (wasSent || state === 'paused' || waitedMs > RESUME_MS)) await qmp.execute('cont');
    else if (waitedMs > STUCK_MS) {
      throw new TagalongError(
        'QEMU_SILENT',
        `${vm} did not run again after its move was cancelled (QEMU says ${state}); read the log of QEMU`,
      );
    }
  }
}
