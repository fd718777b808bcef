/** What the six steps order of the two agents. Each may be carried out again from its beginning. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Phase } from '../../events/index.ts';
import { RefusedOrder } from './client.ts';
import type { Run } from './driver.ts';
import type { CopyStatus } from './protocol.ts';
import type { Survey } from './survey.ts';

/** How moves are carried out. */
export interface DriverRules {
  /**
   * When the guest's new address is announced: `before` the VM moves (make before break), or `after`, as in the paper.
   */
  readonly announce: 'before' | 'after';
  /** How long clients have to join the new address. */
  readonly joinMs: number;
  /** A copy that moves no byte for so long is given up. */
  readonly stallMs: number;
  readonly maxRounds: number;
  readonly maxPauseMs: number;
}

/** What a step has at hand. */
export interface StepWorld {
  readonly run: Run;
  /** What was true when the step began. */
  readonly survey: Survey;
  readonly rules: DriverRules;
  /** Does something again while an agent does not answer. */
  patiently<T>(work: () => Promise<T>): Promise<T>;
  /** Asks both agents, and measures. */
  look(): Promise<Survey>;
  progress(remainingBytes: number, rateBps: number): void;
}

const POLL_MS = 40;
const PROGRESS_MS = 250;

/** The steps. They end when the step is done, and throw what stopped it. */
export const STEPS: Record<Phase, (world: StepWorld) => Promise<void>> = {
  async prepare({ run: { move, source, destination, paths }, survey, patiently }) {
    const { id: migration, vm, from, to } = move;
    const { machine, nic, migration: earlier } = survey.source!;
    // Left by a move that nobody carries out any more.
    if (earlier !== undefined && earlier !== migration) {
      await patiently(() => source.order(vm, 'abort', { migration: earlier, voided: false }));
    }
    const { endpoints } = await patiently(() => source.status());
    const providers = paths.map(({ provider }) => provider);
    const stretch = endpoints.find(({ provider }) => provider === providers[0])!.address;
    const order = { migration, from, machine, nic: nic === 0 ? 1 : 0, stretch, providers } as const;
    const { landing } = await patiently(() => destination.order(vm, 'receive', order));
    await patiently(() => source.order(vm, 'leave', { migration, to, landing: landing! }));
  },

  async announce({ run: { move, source }, rules: { announce, joinMs }, patiently }) {
    const order = { migration: move.id, joinMs, later: announce === 'after' };
    await patiently(() => source.order(move.vm, 'announce', order));
  },

  async disk(world) {
    const { run, rules, patiently } = world;
    const { move, source } = run;
    const order = { migration: move.id, stallMs: rules.stallMs };
    await patiently(() => source.order(move.vm, 'mirror', order));
    await follow(world, 'disk', () => patiently(() => source.order(move.vm, 'mirror', order)));
  },

  async memory(world) {
    const { run, rules, patiently } = world;
    const { move, source } = run;
    const { maxRounds, maxPauseMs, stallMs } = rules;
    const order = { migration: move.id, maxRounds, maxPauseMs, stallMs };
    await patiently(() => source.order(move.vm, 'copy', order));
    await follow(world, 'copy', () => patiently(() => source.order(move.vm, 'copy', order)));
  },

  async switch({ run: { move, source, destination }, rules: { maxPauseMs }, survey, patiently }) {
    const { id: migration, vm } = move;
    const force = survey.source?.copy?.state === 'forced';
    const { token, machine } = survey.destination!;
    const here = { migration, token: token! };
    // The destination has to let go of a mirrored disk before the last of the memory arrives.
    const hasDisk = machine.spec.diskBytes > 0;
    await patiently(() => destination.order(vm, 'expect', here));
    await patiently(() => source.order(vm, 'stop', { migration, maxPauseMs, force, handOver: !hasDisk }));
    if (hasDisk) {
      await patiently(() => destination.order(vm, 'closeDisk', here));
      await patiently(() => source.order(vm, 'handOver', { migration }));
    }
    await patiently(() => destination.order(vm, 'resume', here));
  },

  async release({ run: { move, source, destination }, rules: { announce, joinMs }, look, patiently }) {
    const { id: migration, vm } = move;
    // What the source knows of the move goes with it.
    const { destination: there } = await look();
    if (there?.migration === migration) {
      if (announce === 'after') {
        await patiently(() => destination.order(vm, 'announce', { migration, joinMs, later: false }));
      }
      await patiently(() => destination.order(vm, 'settle', { migration }));
    }
    await patiently(() => source.order(vm, 'release', { migration }));
  },
};

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
    if (copy?.state === 'failed') throw new RefusedOrder(copy.failure!.code, copy.failure!.reason);
    // An agent that was restarted has to be told again.
    if (copy === undefined || copy.state !== 'copying') await confirm();
    else if (Date.now() - saidAtMs >= PROGRESS_MS) {
      saidAtMs = Date.now();
      progress(copy.remainingBytes, copy.rateBps);
    }
    await sleep(POLL_MS);
  }
}
