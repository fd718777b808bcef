/**
 * The end of a move by post-copy: the VM runs at its destination, and the missing memory follows. Nothing can be undone, and the
 * source is needed until the last page has arrived: a broken connection is replaced, for as long as both QEMUs live.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '../../errors.ts';
import { goesForward, hasArrived } from './both-ends.ts';
import { RefusedOrder } from './client.ts';
import type { StepContext } from './run.ts';

const POLL_MS = 40;
const PROGRESS_MS = 250;

/** Has the VM run at its destination. Once its source has begun with post-copy this is tried until it succeeds. */
export async function untilResumed({ run, ask, progress, patiently }: StepContext, token: string): Promise<void> {
  const { move, destination } = run;
  const { id: migration, vm } = move;
  for (;;) {
    try {
      return void (await patiently(() => destination.order(vm, 'resume', { migration, token })));
    } catch (error) {
      const ends = await ask();
      if (!(error instanceof RefusedOrder) || !goesForward(ends, move)) throw error;
      if (error.code === 'COPY_FAILED') {
        // Receiving has failed: without a receiver the move can be undone.
        await patiently(() => destination.order(vm, 'end', { migration }));
      }
      if (error.code !== 'NOT_RECEIVED' && error.code !== 'QEMU_SILENT') throw error;
      // The VM is the destination's by now. It waits for its first pages and answers nobody.
      if (hasArrived(ends, move)) return;
      progress(ends.source?.copy?.remainingBytes ?? 0, 0);
    }
  }
}

/** Follows a VM until all of it has arrived, or some of its memory is lost: then it is ended at its destination. */
export async function untilWhole(context: StepContext): Promise<void> {
  const { run, ask, progress, patiently, log } = context;
  const { move, destination } = run;
  for (let reportedAtMs = Date.now(); ; await sleep(POLL_MS)) {
    const { source, destination: there } = await ask();
    if (there?.migration !== move.id || there.state === 'dead' || there.postCopy !== 'under-way') return;
    const own = source?.migration === move.id ? source : undefined;
    if (own === undefined || own.postCopy === 'lost') {
      // The two ends were not asked in the same instant: the VM may have become whole in between.
      if ((await ask()).destination?.postCopy === 'whole') return;
      run.endedBecause = `not all of its memory was at ${move.to} when its QEMU at ${move.from} ended`;
      log({ postCopy: own?.postCopy }, 'the VM is ended at its destination: memory is missing for good');
      return void (await patiently(() => destination.order(move.vm, 'end', { migration: move.id })));
    }
    if (own.postCopy === 'broken') await reconnect(context);
    if (Date.now() - reportedAtMs < PROGRESS_MS) continue;
    reportedAtMs = Date.now();
    progress(own.copy?.remainingBytes ?? 0, own.copy?.rateBps ?? 0);
  }
}

/** Tries once to go on over a path that answers. There may be none at the moment. */
async function reconnect({ run, rules: { stallMs }, ends, patiently }: StepContext): Promise<void> {
  const { move, source, destination } = run;
  const { id: migration, vm } = move;
  const token = ends.destination!.token!;
  try {
    const { port } = await patiently(() => destination.order(vm, 'recover', { migration, token }));
    await patiently(() => source.order(vm, 'reconnect', { migration, port: port!, stallMs }));
  } catch (error) {
    if (!(error instanceof RefusedOrder || error instanceof TagalongError)) throw error;
  }
}
