/**
 * Post-copy at the end of a move: the VM already runs at its destination while the rest of its memory is copied. Such a move cannot
 * be undone, and needs the source until the last page has arrived. The driver replaces a broken connection as long as the QEMUs at
 * both ends live.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '../../errors.ts';
import { goesForward, hasArrived } from './both-ends.ts';
import { RefusedOrder } from './client.ts';
import type { StepContext } from './run.ts';

const POLL_MS = 40;
const PROGRESS_MS = 250;

/** Resumes the VM at its destination. Once the source has begun post-copy, it retries until it succeeds. */
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
        // The receiver has failed. The destination ends it, so that the move can be undone.
        await patiently(() => destination.order(vm, 'end', { migration }));
      }
      if (error.code !== 'NOT_RECEIVED' && error.code !== 'QEMU_SILENT') throw error;
      // The VM is at its destination. Its QEMU waits for the first pages and does not answer.
      if (hasArrived(ends, move)) return;
      progress(ends.source?.copy?.remainingBytes ?? 0, 0);
    }
  }
}

/** Waits until all memory of a VM has arrived. If some of it is lost for good, it ends the VM at its destination. */
export async function untilWhole(context: StepContext): Promise<void> {
  const { run, ask, progress, patiently, log } = context;
  const { move, destination } = run;
  for (let reportedAtMs = Date.now(); ; await sleep(POLL_MS)) {
    const { source, destination: there } = await ask();
    if (there?.migration !== move.id || there.state === 'dead' || there.postCopy !== 'under-way') return;
    const own = source?.migration === move.id ? source : undefined;
    if (own === undefined || own.postCopy === 'lost') {
      // The two ends answered at different times: the last pages may have arrived in between.
      if ((await ask()).destination?.postCopy === 'whole') return;
      run.endedBecause = `not all of its memory was at ${move.to} when its QEMU at ${move.from} ended`;
      log({ postCopy: own?.postCopy }, 'the driver ends the VM at its destination: memory is missing for good');
      return void (await patiently(() => destination.order(move.vm, 'end', { migration: move.id })));
    }
    if (own.postCopy === 'broken') await reconnect(context);
    if (Date.now() - reportedAtMs < PROGRESS_MS) continue;
    reportedAtMs = Date.now();
    progress(own.copy?.remainingBytes ?? 0, own.copy?.rateBps ?? 0);
  }
}

/** Tries once to continue post-copy over a path that answers. At the moment there may be none. */
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
