/**
 * The end of a move by post-copy: the VM runs at its destination, and what is missing of its memory follows. Nothing can be
 * taken back, and the source is needed until the last page: a way that breaks is mended, for as long as both sides live.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '../../errors.ts';
import { RefusedOrder } from './client.ts';
import type { StepWorld } from './run.ts';
import { goesForward, hasArrived } from './survey.ts';

const POLL_MS = 40;
const PROGRESS_MS = 250;

/** Has the VM run at its destination. Once its source has begun with post-copy there is no other way, however long it takes. */
export async function untilResumed({ run, look, progress, patiently }: StepWorld, token: string): Promise<void> {
  const { move, destination } = run;
  const { id: migration, vm } = move;
  for (;;) {
    try {
      return void (await patiently(() => destination.order(vm, 'resume', { migration, token })));
    } catch (error) {
      const survey = await look();
      if (!(error instanceof RefusedOrder) || !goesForward(survey, move)) throw error;
      if (error.code === 'COPY_FAILED') {
        // It came to nothing there: without its receiver the move can be given up.
        await patiently(() => destination.order(vm, 'end', { migration }));
      }
      if (error.code !== 'NOT_RECEIVED' && error.code !== 'QEMU_SILENT') throw error;
      // Its own by now: it waits for its first pages, and answers nobody.
      if (hasArrived(survey, move)) return;
      progress(survey.source?.copy?.remainingBytes ?? 0, 0);
    }
  }
}

/** Follows a VM until all of it is at its destination, or its memory is lost: then it is ended there. */
export async function untilWhole(world: StepWorld): Promise<void> {
  const { run, look, progress, patiently } = world;
  const { move, destination } = run;
  for (let saidAtMs = Date.now(); ; await sleep(POLL_MS)) {
    const { source, destination: there } = await look();
    if (there?.migration !== move.id || there.state === 'dead' || there.postCopy !== 'under-way') return;
    const own = source?.migration === move.id ? source : undefined;
    if (own === undefined || own.postCopy === 'lost') {
      // The two were not asked in the same instant: it may have become whole in between.
      if ((await look()).destination?.postCopy === 'whole') return;
      run.died = `not all of its memory was at ${move.to} when its QEMU at ${move.from} ended`;
      return void (await patiently(() => destination.order(move.vm, 'end', { migration: move.id })));
    }
    if (own.postCopy === 'broken') await mend(world);
    if (Date.now() - saidAtMs < PROGRESS_MS) continue;
    saidAtMs = Date.now();
    progress(own.copy?.remainingBytes ?? 0, own.copy?.rateBps ?? 0);
  }
}

/** One try to go on over a path that answers. There may be none at the moment. */
async function mend({ run, rules: { stallMs }, survey, patiently }: StepWorld): Promise<void> {
  const { move, source, destination } = run;
  const { id: migration, vm } = move;
  const token = survey.destination!.token!;
  try {
    const { port } = await patiently(() => destination.order(vm, 'recover', { migration, token }));
    await patiently(() => source.order(vm, 'reconnect', { migration, port: port!, stallMs }));
  } catch (error) {
    if (!(error instanceof RefusedOrder || error instanceof TagalongError)) throw error;
  }
}
