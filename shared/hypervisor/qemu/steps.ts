/** The six steps of a move, as orders to the agents of both ends. Each step may be repeated from its beginning. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '../../errors.ts';
import type { Phase } from '../../events/index.ts';
import type { Path } from '../../model/paths.ts';
import { RefusedOrder } from './client.ts';
import { untilResumed, untilWhole } from './post-copy.ts';
import type { CopyStatus, Endpoint } from './protocol.ts';
import type { StepContext } from './run.ts';

const POLL_MS = 40;
const PROGRESS_MS = 250;

/**
 * The steps by name. Each resolves when it is done. Each throws RefusedOrder with the agent's code, TagalongError AGENT_UNREACHABLE
 * or AGENT_ANSWER_INVALID, or Cancelled.
 */
export const STEPS: Record<Phase, (context: StepContext) => Promise<void>> = {
  async prepare({ run: { move, source, destination, paths }, rules: { stallMs, postCopy }, ends, patiently }) {
    const { id: migration, vm, from, to } = move;
    const { machine, nic, migration: earlier } = ends.source!;
    // The source still takes part in an earlier move that was abandoned.
    if (earlier !== undefined && earlier !== migration) {
      await patiently(() => source.order(vm, 'abort', { migration: earlier, voided: false }));
    }
    const { endpoints, answerPort } = await patiently(() => source.status());
    const sources = onPaths(endpoints, paths);
    if (sources.length === 0) throw misfit(`${from} names no address on a path to ${to}`);
    const where = { sources, answerPort, stallMs, postCopy };
    const order = { migration, from, machine, nic: nic === 0 ? 1 : 0, ...where } as const;
    const { landing } = await patiently(() => destination.order(vm, 'receive', order));
    if (landing === undefined) throw misfit(`${to} does not say where it awaits ${vm}`);
    // The source connects only to addresses on paths between both sites, one for each path.
    if (onPaths(landing.endpoints, paths).length !== landing.endpoints.length) {
      throw misfit(`${to} awaits ${vm} at addresses that are on no path from ${from}`);
    }
    await patiently(() => source.order(vm, 'leave', { migration, to, landing }));
  },

  async announce({ run: { move, source }, rules: { announce, joinMs }, patiently }) {
    const order = { migration: move.id, joinMs, later: announce === 'after' };
    await patiently(() => source.order(move.vm, 'announce', order));
  },

  async disk(context) {
    await retargeting(context, () => copyDisk(context));
  },

  async memory(context) {
    await retargeting(
      context,
      () => copyMemory(context),
      () => copyDisk(context),
    );
  },

  async switch(context) {
    const { run, rules, ends, patiently } = context;
    const { move, source, destination } = run;
    const { maxPauseMs } = rules;
    const { id: migration, vm } = move;
    const force = ends.source?.copy?.state === 'forced';
    const { token, machine } = ends.destination!;
    if (token === undefined) throw misfit(`${move.to} has no token of ${vm}`);
    const here = { migration, token };
    // The destination has to close the mirrored disk before the rest of the memory arrives.
    const hasDisk = machine.spec.diskBytes > 0;
    await patiently(() => destination.order(vm, 'expect', here));
    await patiently(() => source.order(vm, 'stop', { migration, maxPauseMs, force, handOver: !hasDisk }));
    if (hasDisk) {
      await patiently(() => destination.order(vm, 'closeDisk', here));
      await patiently(() => source.order(vm, 'handOver', { migration }));
    }
    await untilResumed(context, here.token);
  },

  async release(context) {
    const { run, rules, ask, patiently } = context;
    const { move, source, destination } = run;
    const { announce, joinMs } = rules;
    await untilWhole(context);
    const { id: migration, vm } = move;
    // Query before the release, which discards the figures of the source.
    const { destination: there } = await ask();
    if (there?.migration === migration) {
      if (announce === 'after' && there.state !== 'dead') {
        await patiently(() => destination.order(vm, 'announce', { migration, joinMs, later: false }));
      }
      await patiently(() => destination.order(vm, 'settle', { migration }));
    }
    await patiently(() => source.order(vm, 'release', { migration }));
  },
};

/** One address for each path, in the order of the paths. */
function onPaths(endpoints: readonly Endpoint[], paths: readonly Path[]): Endpoint[] {
  return paths.flatMap(({ provider }) => endpoints.find((endpoint) => endpoint.provider === provider) ?? []);
}

function misfit(what: string): TagalongError {
  return new TagalongError('AGENT_ANSWER_INVALID', what);
}

async function copyDisk(context: StepContext): Promise<void> {
  const { run, rules, patiently } = context;
  const { move, source } = run;
  const order = { migration: move.id, stallMs: rules.stallMs };
  const mirror = () => patiently(() => source.order(move.vm, 'mirror', order));
  await mirror();
  await follow(context, 'disk', mirror);
}

async function copyMemory(context: StepContext): Promise<void> {
  const { run, rules, patiently } = context;
  const { move, source } = run;
  const { maxRounds, maxPauseMs, stallMs } = rules;
  const order = { migration: move.id, maxRounds, maxPauseMs, stallMs };
  const copy = () => patiently(() => source.order(move.vm, 'copy', order));
  await copy();
  await follow(context, 'copy', copy);
}

/**
 * Runs a copy. If it stalls, retargets it: repeats it over the next path, once for each path. A receiver accepts only one
 * connection, so the steps `prepare` and `announce` are repeated with a new receiver first.
 * @param first copies to repeat before this one
 */
async function retargeting(
  context: StepContext,
  copy: () => Promise<void>,
  first: () => Promise<void> = async () => {},
): Promise<void> {
  const { run, patiently, log } = context;
  const { move, source, destination } = run;
  const { id: migration, vm } = move;
  for (let tries = 1; ; tries++) {
    try {
      if (tries > 1) {
        await patiently(() => destination.order(vm, 'discard', { migration }));
        await patiently(() => source.order(vm, 'abort', { migration, voided: true }));
        const [before, after] = [run.paths[0]!, run.paths[1] ?? run.paths[0]!];
        log(
          { tries, before: before.id, after: after.id, sentBytes: run.measured.bytes },
          'the driver retargets a stalled copy',
        );
        run.paths = [...run.paths.slice(1), run.paths[0]!];
        run.earlier = run.measured;
        run.measured = { ...run.measured, degraded: [...new Set([...run.measured.degraded, 'retargeted'])] };
        await STEPS.prepare(context);
        await STEPS.announce(context);
        await first();
      }
      return await copy();
    } catch (error) {
      const stalled = error instanceof RefusedOrder && error.code === 'STALLED';
      if (!stalled || tries >= run.paths.length) throw error;
    }
  }
}

/** Polls a copy until the source has persisted that it is done, or it fails. @param confirm orders the source to persist it */
async function follow(context: StepContext, which: 'copy' | 'disk', confirm: () => Promise<unknown>): Promise<void> {
  const { ask, progress, run } = context;
  const step = which === 'copy' ? 'memory' : 'disk';
  let reportedAtMs = Date.now();
  for (;;) {
    const { source, destination } = await ask();
    if (source?.migration !== run.move.id)
      throw new RefusedOrder('ORDER_REFUSED', 'the source does not know this move any more');
    if (source.done.includes(step)) return;
    if (source.state === 'dead')
      throw new RefusedOrder('QEMU_GONE', `${run.move.vm}: its QEMU at ${run.move.from} is gone`);
    if (destination?.state === 'dead') throw new RefusedOrder('QEMU_GONE', `its receiver at ${run.move.to} is gone`);
    const copy: CopyStatus | undefined = source[which];
    if (copy?.state === 'failed') {
      const { code, reason } = copy.failure ?? { code: 'COPY_FAILED', reason: 'its agent gives no reason' };
      throw new RefusedOrder(code, reason);
    }
    // The copy is ready to be confirmed, or its agent has restarted and needs the order again.
    if (copy === undefined || copy.state !== 'copying') await confirm();
    else if (Date.now() - reportedAtMs >= PROGRESS_MS) {
      reportedAtMs = Date.now();
      progress(copy.remainingBytes, copy.rateBps);
    }
    await sleep(POLL_MS);
  }
}
