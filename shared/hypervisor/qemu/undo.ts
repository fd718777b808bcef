/** Undoing a move that has not switched over: the destination discards its receiver for good, then the source takes over. */
import { TagalongError } from '../../errors.ts';
import { goesForward, hasArrived } from './both-ends.ts';
import { RefusedOrder } from './client.ts';
import { askBothEnds, type Run, type StepContext, updateMeasured } from './run.ts';

/**
 * Undoes what was done of a move. Returns when the VM is the source's again.
 * @throws RefusedOrder PAST_CANCEL where the VM has left its source, QEMU_GONE where its QEMU there is gone, and what the agents
 * refuse; TagalongError AGENT_UNREACHABLE, AGENT_ANSWER_INVALID
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
    // The destination never runs it now, whatever order arrives late: so the source may.
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
 * Has the VM run on at its source although the destination answers nonsense. That is safe: the source refuses where it has
 * handed the VM over, and nobody orders the receiver to run it, because this move is over.
 * @returns whether it runs there
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
