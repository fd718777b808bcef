/**
 * Post-copy at the source: the VM runs at its destination while the rest of its memory follows, and QEMU sends a page at once
 * when the VM needs it (QEMU's docs/devel/migration/postcopy.rst). Once QEMU has begun with post-copy, nothing can be
 * cancelled, and the source never runs the VM again.
 *
 * A path that breaks is replaced by another one: both QEMUs close the connection, the destination waits at a new port, and the
 * source goes on sending there.
 */
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Endpoint } from '#shared/hypervisor/qemu/protocol.ts';
import type { MemoryCopy } from './memory.ts';
import { mainChannel, NO_LIMIT_BPS } from './migration-settings.ts';
import type { Qmp } from './qmp.ts';
import { isPostCopy, migrationStatus } from './query-migrate.ts';
import { untilStopped } from './switch-over.ts';

/** Less than the paths carry: otherwise an urgent page would wait behind full queues. */
const BACKGROUND_SHARE = 0.8;
/** How long QEMU may take to close a connection, or to open one. */
const CONNECTION_MS = 10_000;

/**
 * Stops the VM so that post-copy can begin; the move may still be undone.
 * @throws TagalongError COPY_FAILED
 */
export async function stopForPostCopy(qmp: Qmp, copy: MemoryCopy, isAbandoned: () => boolean): Promise<void> {
  await copy.update();
  const { state, rateBps } = copy.status;
  if (state !== 'stopped' && state !== 'sent') {
    // Stopped by the agent: a VM that QEMU stopped by itself would run again if anything failed.
    await qmp.execute('stop');
    await qmp.execute('migrate-set-parameters', {
      'max-bandwidth': NO_LIMIT_BPS,
      'max-postcopy-bandwidth': Math.max(1, Math.round(BACKGROUND_SHARE * rateBps)),
    });
    await qmp.execute('migrate-start-postcopy');
  }
  await untilStopped(copy, isAbandoned, () => {
    throw new TagalongError('COPY_FAILED', 'QEMU did not begin post-copy in time; read its log');
  });
}

/**
 * Sends all but the missing memory. The record has to say `handed-over` before this is called.
 * @throws TagalongError COPY_FAILED: post-copy has not begun, and the move may be undone once the destination has discarded it
 */
export async function beginPostCopy(qmp: Qmp, copy: MemoryCopy, isAbandoned: () => boolean): Promise<void> {
  let isContinued = false;
  const hasBegun = async () => {
    const status = await migrationStatus(qmp);
    if (isPostCopy(status) || status === 'completed') return true;
    if (status === 'pre-switchover' && !isContinued) {
      isContinued = true;
      await qmp.execute('migrate-continue', { state: 'pre-switchover' });
    }
    await copy.update();
    const { failure } = copy.status;
    if (failure) throw new TagalongError('COPY_FAILED', failure.reason);
    if (isAbandoned()) throw new TagalongError('COPY_FAILED', 'the move was cancelled');
    return false;
  };
  await until(hasBegun, { everyMs: 2 });
  await copy.update();
}

/**
 * Goes on sending over a new connection.
 * @param endpoints the destination's addresses, the reachable ones first
 * @throws TagalongError STALLED where QEMU does not close the old connection or open the new one in time
 */
export async function reconnect(qmp: Qmp, endpoints: readonly Endpoint[], port: number, mptcp: boolean): Promise<void> {
  const untilMs = performance.now() + CONNECTION_MS;
  const untilStatus = async (isSo: (status: string) => boolean) => {
    const withinMs = untilMs - performance.now();
    if (!(await until(async () => isSo(await migrationStatus(qmp)), { everyMs: 10, withinMs })))
      throw new TagalongError('STALLED', 'QEMU did not change to another connection in time; read its log');
  };
  if ((await migrationStatus(qmp)) === 'postcopy-active') await qmp.execute('migrate-pause');
  await untilStatus((status) => status === 'postcopy-paused' || status === 'completed');
  if ((await migrationStatus(qmp)) === 'completed') return;
  await qmp.execute('migrate', { channels: mainChannel(endpoints[0]!.address, port, mptcp), resume: true });
  await untilStatus((status) => !status.startsWith('postcopy-recover'));
}
