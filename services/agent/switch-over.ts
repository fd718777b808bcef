/**
 * The end of pre-copy at the source: QEMU stops the VM, stands at `pre-switchover`, and sends the rest when told to (QEMU's
 * docs/devel/migration/main.rst; the pause is the capability `pause-before-switchover`).
 */
import { until } from '#shared/clock/retry.ts';
import { TagalongError } from '#shared/errors.ts';
import type { CopyStatus } from '#shared/hypervisor/qemu/protocol.ts';
import type { MemoryCopy } from './memory.ts';
import { NO_LIMIT_BPS } from './migration-settings.ts';
import type { Qmp } from './qmp.ts';
import { migrationStatus } from './query-migrate.ts';

/** How long QEMU may take to stop the VM once it is allowed to. It compares with its limits ten times a second. */
const STOP_MS = 10_000;
const POLL_MS = 2;

/**
 * Lets QEMU stop the VM, and waits until it stands still at `pre-switchover`.
 * @param limitMs how long the VM may stand still for the last copy
 * @param isAbandoned true: the move was given up, stop waiting
 * @throws TagalongError NOT_CONVERGING, COPY_FAILED
 */
export async function stopAtSource(
  qmp: Qmp,
  copy: MemoryCopy,
  limitMs: number,
  isAbandoned: () => boolean,
): Promise<void> {
  await qmp.execute('migrate-set-parameters', {
    'max-bandwidth': NO_LIMIT_BPS,
    'downtime-limit': Math.max(1, Math.round(limitMs)),
    'avail-switchover-bandwidth': Math.max(1, Math.round(copy.status.rateBps)),
  });
  await untilStopped(copy, isAbandoned, () => {
    throw new TagalongError(
      'NOT_CONVERGING',
      `the guest writes more memory than the paths carry in ${Math.round(limitMs)} ms; try again when it writes less, or with more bandwidth`,
    );
  });
}

/**
 * Waits until a VM stands still at `pre-switchover`.
 * @param onTimeout called after 10 s; throws
 * @throws TagalongError COPY_FAILED, and what `onTimeout` throws
 */
export async function untilStopped(
  copy: MemoryCopy,
  isAbandoned: () => boolean,
  onTimeout: () => never,
): Promise<void> {
  const isStopped = () => reaches(copy, ['stopped', 'sent'], isAbandoned);
  if (!(await until(isStopped, { everyMs: POLL_MS, withinMs: STOP_MS }))) onTimeout();
}

/**
 * Lets QEMU send the rest, and waits until it has.
 * @throws TagalongError COPY_FAILED: the VM may go on at the source
 */
export async function sendRest(qmp: Qmp, copy: MemoryCopy, isAbandoned: () => boolean): Promise<void> {
  if ((await migrationStatus(qmp)) === 'pre-switchover') {
    await qmp.execute('migrate-continue', { state: 'pre-switchover' });
  }
  await until(() => reaches(copy, ['sent'], isAbandoned), { everyMs: POLL_MS });
}

/** Looks once whether a copy is in one of these states. @throws TagalongError COPY_FAILED: it never will be */
async function reaches(
  copy: MemoryCopy,
  states: readonly CopyStatus['state'][],
  isAbandoned: () => boolean,
): Promise<boolean> {
  await copy.update();
  const { state, failure } = copy.status;
  if (states.includes(state)) return true;
  if (state === 'failed') throw new TagalongError('COPY_FAILED', failure!.reason);
  if (isAbandoned()) throw new TagalongError('COPY_FAILED', 'the move was cancelled');
  return false;
}
