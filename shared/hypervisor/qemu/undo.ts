/** Undoes a move that has not switched over: the destination discards its receiver for good, then the source takes the VM back. */
import { TagalongError } from '../../errors.ts';
import { goesForward, hasArrived } from './both-ends.ts';
import { RefusedOrder } from './client.ts';
import { askBothEnds, type Run, type StepContext, updateMeasured } from './run.ts';

/**
 * Undoes a move. Resolves when only the source may run the VM again.
 * @throws RefusedOrder PAST_CANCEL if the VM has left its source, QEMU_GONE if its QEMU there has ended, and the refusals of the
 * agents; TagalongError AGENT_UNREACHABLE, AGENT_ANSWER_INVALID
 */
export async function undo(run: Run, { patiently, log }: Pick<StepContext, 'patiently' | 'log'>): Promise<void> {
  const { move, source, destination } = run;
  const { id: migration, vm, from, to } = move;
  try {
    const before = await patiently(() => askBothEnds(run));
    if (hasArrived(before, move) || goesForward(before, move)) {
      throw new RefusedOrder('PAST_CANCEL', `${vm} has left ${from} for ${to}`);
    }
    updateMeasured(run, before);
    await patiently(() => destination.order(vm, 'discard', { migration }));
    // The destination can no longer run the VM, even if an order arrives late. So the source may run it.
    if (before.source) {
      const { instance } = await patiently(() => source.order(vm, 'abort', { migration, voided: true }));
      if (instance?.state === 'dead') throw new RefusedOrder('QEMU_GONE', `${vm}: its QEMU at ${from} is gone`);
      log(
        { before: before.source.state, after: instance?.state, sentBytes: run.measured.bytes },
        'the move was undone',
      );
    }
  } catch (error) {
    const isNonsense = error instanceof TagalongError && error.code === 'AGENT_ANSWER_INVALID';
    if (!isNonsense || !(await runAtSource(run, patiently))) throw error;
    log({ reason: error.message }, 'the move was undone at its source alone');
  }
}

/**
 * Resumes the VM at its source although the destination's answers are invalid. This is safe: the source refuses if it has handed
 * the VM over, and no order to resume goes to the receiver, because this move is over.
 * @returns true if the VM runs there
 */
async function runAtSource({ move, source }: Run, patiently: StepContext['patiently']): Promise<boolean> {
  try {
    await patiently(() => source.order(move.vm, 'abort', { migration: move.id, voided: false }));
    const { instance } = await patiently(() => source.instance(move.vm));
    return instance?.state === 'running';
  } catch {
    return false;
  }
}
