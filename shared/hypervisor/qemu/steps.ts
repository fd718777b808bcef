/** What the six steps order of the two agents. Each may be carried out again from its beginning. */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '../../errors.ts';
import type { Phase } from '../../events/index.ts';
import type { Path } from '../../model/paths.ts';
import { RefusedOrder } from './client.ts';
import { untilResumed, untilWhole } from './post-copy.ts';
import type { CopyStatus, Endpoint } from './protocol.ts';
import type { StepWorld } from './run.ts';

const POLL_MS = 40;
const PROGRESS_MS = 250;

/** The steps. They end when the step is done, and throw what stopped it. */
export const STEPS: Record<Phase, (world: StepWorld) => Promise<void>> = {
  async prepare({ run: { move, source, destination, paths }, rules: { stallMs, postCopy }, survey, patiently }) {
    const { id: migration, vm, from, to } = move;
    const { machine, nic, migration: earlier } = survey.source!;
    // Left by a move that nobody carries out any more.
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
    // The source is sent to addresses on the two sites' common paths only, one a path.
    if (onPaths(landing.endpoints, paths).length !== landing.endpoints.length) {
      throw misfit(`${to} awaits ${vm} at addresses that are on no path from ${from}`);
    }
    await patiently(() => source.order(vm, 'leave', { migration, to, landing }));
  },

  async announce({ run: { move, source }, rules: { announce, joinMs }, patiently }) {
    const order = { migration: move.id, joinMs, later: announce === 'after' };
    await patiently(() => source.order(move.vm, 'announce', order));
  },

  async disk(world) {
    await overOnePathOrAnother(world, () => copyDisk(world));
  },

  async memory(world) {
    await overOnePathOrAnother(
      world,
      () => copyMemory(world),
      () => copyDisk(world),
    );
  },

  async switch(world) {
    const { run, rules, survey, patiently } = world;
    const { move, source, destination } = run;
    const { maxPauseMs } = rules;
    const { id: migration, vm } = move;
    const force = survey.source?.copy?.state === 'forced';
    const { token, machine } = survey.destination!;
    if (token === undefined) throw misfit(`${move.to} has no token of ${vm}`);
    const here = { migration, token };
    // The destination has to let go of a mirrored disk before the last of the memory arrives.
    const hasDisk = machine.spec.diskBytes > 0;
    await patiently(() => destination.order(vm, 'expect', here));
    await patiently(() => source.order(vm, 'stop', { migration, maxPauseMs, force, handOver: !hasDisk }));
    if (hasDisk) {
      await patiently(() => destination.order(vm, 'closeDisk', here));
      await patiently(() => source.order(vm, 'handOver', { migration }));
    }
    await untilResumed(world, here.token);
  },

  async release(world) {
    const { run, rules, look, patiently } = world;
    const { move, source, destination } = run;
    const { announce, joinMs } = rules;
    await untilWhole(world);
    const { id: migration, vm } = move;
    // What the source knows of the move goes with it.
    const { destination: there } = await look();
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

async function copyDisk(world: StepWorld): Promise<void> {
  const { run, rules, patiently } = world;
  const { move, source } = run;
  const order = { migration: move.id, stallMs: rules.stallMs };
  const mirror = () => patiently(() => source.order(move.vm, 'mirror', order));
  await mirror();
  await follow(world, 'disk', mirror);
}

async function copyMemory(world: StepWorld): Promise<void> {
  const { run, rules, patiently } = world;
  const { move, source } = run;
  const { maxRounds, maxPauseMs, stallMs } = rules;
  const order = { migration: move.id, maxRounds, maxPauseMs, stallMs };
  const copy = () => patiently(() => source.order(move.vm, 'copy', order));
  await copy();
  await follow(world, 'copy', copy);
}

/**
 * Retargeting: a copy that stalls is begun again over the next path, as often as there are paths. A receiver takes one
 * connection, so that means a new receiver, and all that was done for the one before.
 * @param first copies that have to be made again before this one
 */
async function overOnePathOrAnother(
  world: StepWorld,
  copy: () => Promise<void>,
  first: () => Promise<void> = async () => {},
): Promise<void> {
  const { run, patiently } = world;
  const { move, source, destination } = run;
  const { id: migration, vm } = move;
  for (let tries = 1; ; tries++) {
    try {
      if (tries > 1) {
        await patiently(() => destination.order(vm, 'discard', { migration }));
        await patiently(() => source.order(vm, 'abort', { migration, voided: true }));
        run.paths = [...run.paths.slice(1), run.paths[0]!];
        run.earlier = run.measured;
        run.measured = { ...run.measured, degraded: [...new Set([...run.measured.degraded, 'retargeted'])] };
        await STEPS.prepare(world);
        await STEPS.announce(world);
        await first();
      }
      return await copy();
    } catch (error) {
      const stalled = error instanceof RefusedOrder && error.code === 'STALLED';
      if (!stalled || tries >= run.paths.length) throw error;
    }
  }
}

/** Follows a copy until the rest of it is small, or it fails. `confirm` has the source write down that it is done. */
async function follow(world: StepWorld, which: 'copy' | 'disk', confirm: () => Promise<unknown>): Promise<void> {
  const { look, progress, run } = world;
  const step = which === 'copy' ? 'memory' : 'disk';
  let saidAtMs = Date.now();
  for (;;) {
    const { source, destination } = await look();
    if (source?.migration !== run.move.id)
      throw new RefusedOrder('ORDER_REFUSED', 'the source knows nothing of it any more');
    if (source.done.includes(step)) return;
    if (source.state === 'dead')
      throw new RefusedOrder('QEMU_GONE', `${run.move.vm}: its QEMU at ${run.move.from} is no more`);
    if (destination?.state === 'dead') throw new RefusedOrder('QEMU_GONE', `its receiver at ${run.move.to} is no more`);
    const copy: CopyStatus | undefined = source[which];
    if (copy?.state === 'failed') {
      const { code, reason } = copy.failure ?? { code: 'COPY_FAILED', reason: 'its agent does not say why' };
      throw new RefusedOrder(code, reason);
    }
    // An agent that was restarted has to be told again.
    if (copy === undefined || copy.state !== 'copying') await confirm();
    else if (Date.now() - saidAtMs >= PROGRESS_MS) {
      saidAtMs = Date.now();
      progress(copy.remainingBytes, copy.rateBps);
    }
    await sleep(POLL_MS);
  }
}
