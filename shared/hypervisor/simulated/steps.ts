/**
 * The six steps of a simulated move. Each step ends with exactly one call of `end.done` or `end.failed`, after the call that began
 * it has returned. A step that is cancelled by `active.cancel` calls neither.
 */
import type { Clock } from '../../clock/clock.ts';
import { MAX_RATE_BPS, within } from '../../events/bounds.ts';
import type { Phase } from '../../events/index.ts';
import type { MoveModel } from '../../model/move-model.ts';
import { afterRound, dirtiedBytes } from '../../model/pre-copy.ts';
import type { ActiveMove } from './active-move.ts';
import type { FluidNetwork } from './fluid.ts';
import type { Instances } from './instances.ts';

/** The parts of the simulation that the steps use and change. */
export interface World {
  readonly clock: Clock;
  readonly model: MoveModel;
  readonly network: FluidNetwork;
  readonly instances: Instances;
}

/** The callbacks by which a step reports its result and its progress. */
export interface StepEnd {
  done(): void;
  failed(code: string, reason: string): void;
  progress(remainingBytes: number, rateBps: number): void;
}

/** The steps by name. Durations come from the model, the round-trip time and the rates of the paths. */
export const STEPS: Record<Phase, (world: World, active: ActiveMove, end: StepEnd) => void> = {
  prepare({ clock, model, instances }, active, end) {
    const { vm, to } = active.move;
    wait(clock, active, active.route.subflows.length > 1 ? model.prepareMs.multi : model.prepareMs.single, () => {
      // If the VM was started there meanwhile, it runs twice: `running` must show both.
      if (instances.state(vm, to) !== 'running') instances.set(vm, to, 'incoming');
      end.done();
    });
  },

  announce({ clock, model }, active, end) {
    wait(clock, active, model.announceMs + active.rttMs, end.done);
  },

  disk(world, active, end) {
    const { diskBytes } = active.move.spec;
    if (diskBytes === 0) wait(world.clock, active, 0, end.done);
    else send(world, active, diskBytes, end.done);
  },

  memory(world, active, end) {
    copyRound(world, active, end, 1, active.move.spec.ramBytes);
  },

  switch(world, active, end) {
    const { clock, model, instances } = world;
    const { vm, from, to, spec } = active.move;
    pause(world, active);
    const pendingBytes = dirtiedBytes(spec, clock.now() - active.dirtySinceMs, model.dirtying);
    send(world, active, pendingBytes, () =>
      wait(clock, active, model.resumeMs, () => {
        instances.set(vm, from, 'stopped');
        instances.set(vm, to, 'running');
        countPause(world, active);
        end.done();
      }),
    );
  },

  release({ clock, model, instances }, active, end) {
    const { vm, from } = active.move;
    wait(clock, active, model.releaseMs, () => {
      // A later move may have brought the VM back to this site before this release.
      if (instances.state(vm, from) === 'stopped') instances.delete(vm, from);
      end.done();
    });
  },
};

/** Runs one round of pre-copy and the rounds after it. */
function copyRound(world: World, active: ActiveMove, end: StepEnd, round: number, bytes: number): void {
  const { clock, model } = world;
  const { spec } = active.move;
  const begunMs = clock.now();
  active.dirtySinceMs = begunMs;
  send(world, active, bytes, () => {
    const roundMs = clock.now() - begunMs;
    // A small round over a fast path takes less than the clock's resolution: without the bound its rate would be infinite.
    const rateBps = within((bytes / roundMs) * 1000, MAX_RATE_BPS);
    const pendingBytes = dirtiedBytes(spec, roundMs, model.dirtying);
    active.rounds++;
    end.progress(pendingBytes, rateBps);
    // The listener of the progress may have aborted the move.
    if (active.underWay !== 'memory') return;
    const verdict = afterRound(spec, model, round, pendingBytes, rateBps);
    if (verdict === 'again') return copyRound(world, active, end, round + 1, pendingBytes);
    if (verdict === 'give-up') {
      const seconds = (pendingBytes / rateBps).toFixed(1);
      return end.failed('NOT_CONVERGING', `after ${round} rounds the rest would still stop the VM for ${seconds} s`);
    }
    active.forcedStop = verdict === 'force';
    end.done();
  });
}

/** Sends bytes over the paths of the move. The last byte arrives half a round trip after it was sent. */
function send(world: World, active: ActiveMove, bytes: number, arrived: () => void): void {
  const latency = () => wait(world.clock, active, active.rttMs / 2, arrived);
  if (bytes === 0) latency();
  else active.cancel = world.network.send(active.route, bytes, active.slowdown, latency);
}

/** Calls `then` after `ms`, unless the step is cancelled before. */
export function wait(clock: Clock, active: ActiveMove, ms: number, then: () => void): void {
  active.cancel = clock.at(clock.now() + ms, then);
}

/** Stops the VM at the source. */
export function pause({ clock, instances }: World, active: ActiveMove): void {
  active.stoppedAtMs = clock.now();
  instances.set(active.move.vm, active.move.from, 'paused');
}

/** Resumes a VM at its source after it was stopped for a switch-over. */
export function resumeAtSource(world: World, active: ActiveMove): void {
  world.instances.set(active.move.vm, active.move.from, 'running');
  countPause(world, active);
}

function countPause({ clock }: World, active: ActiveMove): void {
  active.pauseMs = Math.max(active.pauseMs, clock.now() - active.stoppedAtMs);
}
