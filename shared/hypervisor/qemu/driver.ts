/**
 * Implements the hypervisor port with the agents of the sites: real VMs under QEMU, moved over multipath TCP. The driver persists
 * nothing: it queries the state of a move from both agents each time.
 *
 * Only one site may run the VM, and both sites persist which one it is. Rule 1: the source gives the VM up for good before the
 * destination is ordered to run it. Rule 2: the source takes the VM back only after the destination has discarded its receiver for
 * good.
 */
import { TagalongError } from '../../errors.ts';
import { PHASES, type Phase } from '../../events/index.ts';
import { type Log, serviceLog } from '../../log.ts';
import { NOTHING_MEASURED } from '../../model/measured.ts';
import type { Uplink } from '../../model/paths.ts';
import type { Hypervisor, Move, Report } from '../hypervisor.ts';
import { doneSteps, goesForward, hasDied, objection, runsAt, standsBetween } from './both-ends.ts';
import { type AgentClient, RefusedOrder } from './client.ts';
import { Cancelled, whileUnreachable } from './retry.ts';
import { askBothEnds, type DriverRules, type Run, type StepContext, updateMeasured } from './run.ts';
import { Runs } from './runs.ts';
import { STEPS } from './steps.ts';
import { undo } from './undo.ts';

/** The hypervisor port for real VMs. */
export interface QemuHypervisor extends Hypervisor {
  /** Stops all orders and reports. Copies that are under way at the sites continue. */
  close(): void;
}

/** The agents and sites of a driver, and its settings. */
export interface QemuHypervisorOptions {
  /** The agents by site. May change while it runs. */
  readonly agents: ReadonlyMap<string, AgentClient>;
  /** How the sites are connected. May change while it runs. */
  readonly sites: readonly { readonly site: string; readonly uplinks: readonly Uplink[] }[];
  readonly rules: DriverRules;
  readonly log: Log;
}

/** Creates the driver. Its failed reports have the codes of the port, or those of the agents (`shared/errors.ts`). */
export function qemuHypervisor({ agents, sites, rules, log: parent }: QemuHypervisorOptions): QemuHypervisor {
  const log = serviceLog(parent, 'hypervisor');
  const runs = new Runs(agents, sites);
  /** Moves that are being inspected. */
  const inspecting = new Set<string>();
  let listener: (report: Report) => void = () => {};
  let closed = false;
  const report = (what: Report) => {
    if (!closed) listener(what);
  };
  /** The retry and the log for the orders of one step, until `run.stop` is aborted. */
  const orderingFor = (run: Run): Pick<StepContext, 'patiently' | 'log'> => {
    const { signal } = run.stop;
    const { id: migration, vm } = run.move;
    return {
      patiently: (work) => whileUnreachable(work, () => signal.aborted || closed),
      log: (figures, what) => log.info({ vm, migration, ...figures }, what),
    };
  };

  const carryOut = async (step: Phase, run: Run) => {
    const { move } = run;
    const { id } = move;
    const { signal } = run.stop;
    const ordering = orderingFor(run);
    const { patiently } = ordering;
    const fail = (code: string, reason: string) => {
      if (signal.aborted) return;
      run.underWay = undefined;
      log.warn({ vm: move.vm, migration: id, step, code, reason }, 'a step of a move failed');
      report({ kind: 'failed', id, step, code, reason, measured: run.measured });
    };
    try {
      const ends = await patiently(() => askBothEnds(run));
      const done = doneSteps(ends, move);
      if (!done.includes(step)) {
        const next = PHASES[done.length];
        if (step !== next) return fail('BAD_ORDER', `the next step of ${id} is ${next}, not ${step}`);
        const objected = step === 'prepare' ? objection(ends, move, run.paths, runs.isUnderWay) : undefined;
        if (objected) return fail(objected.code, objected.reason);
        await STEPS[step]({
          ...ordering,
          run,
          ends,
          rules,
          ask: async () => {
            const now = await patiently(() => askBothEnds(run));
            updateMeasured(run, now);
            return now;
          },
          progress(remainingBytes, rateBps) {
            if (signal.aborted) return;
            report({ kind: 'progress', id, step, measured: run.measured, remainingBytes, rateBps });
          },
        });
      }
      const after = await patiently(() => askBothEnds(run));
      const measured = updateMeasured(run, after);
      run.isOver = step === 'release';
      if (run.isOver && hasDied(after, move)) return fail('VM_NOT_RUNNING', whyDead(run));
      run.underWay = undefined;
      report({ kind: 'done', id, step, measured });
    } catch (error) {
      if (!(error instanceof Cancelled)) fail(codeOf(error), (error as Error).message);
    }
  };

  const takeBack = async (run: Run) => {
    const { move, measured } = run;
    const { id, vm } = move;
    try {
      await undo(run, orderingFor(run));
      run.underWay = undefined;
      runs.delete(id);
      report({ kind: 'aborted', id, measured: run.measured });
    } catch (error) {
      if (error instanceof Cancelled) return;
      run.underWay = undefined;
      const failure = { code: codeOf(error), reason: (error as Error).message };
      log.warn({ vm, migration: id, ...failure }, 'a move was not undone');
      report({ kind: 'failed', id, step: 'abort', ...failure, measured });
    }
  };

  const inspect = async (move: Move) => {
    const run = runs.of(move);
    const ends = await whileUnreachable(
      () => askBothEnds(run),
      () => closed,
    );
    const between = standsBetween(ends, move) ? 'switch' : hasDied(ends, move) ? 'release' : undefined;
    report({
      kind: 'inspected',
      id: move.id,
      runsAt: runsAt(ends, move),
      done: doneSteps(ends, move),
      underWay: run.underWay ?? between,
      onlyForward: goesForward(ends, move),
      measured: updateMeasured(run, ends),
    });
  };

  /** Reports `failed` if an order throws at once; after the call, as the port demands. */
  const orRefuse = ({ id }: Move, step: Phase | 'abort', work: () => void) => {
    try {
      work();
    } catch (error) {
      const failure = { code: codeOf(error), reason: (error as Error).message };
      queueMicrotask(() => report({ kind: 'failed', id, step, ...failure, measured: NOTHING_MEASURED }));
    }
  };

  return {
    listen(next) {
      listener = next;
    },
    begin(step, move) {
      orRefuse(move, step, () => {
        const run = runs.of(move);
        if (run.underWay === step) return;
        if (run.underWay) throw new RefusedOrder('BAD_ORDER', `${run.underWay} is still under way`);
        run.underWay = step;
        void carryOut(step, run);
      });
    },
    abort(move) {
      orRefuse(move, 'abort', () => {
        const run = runs.of(move);
        run.stop.abort();
        run.stop = new AbortController();
        void takeBack(run);
      });
    },
    inspect(move) {
      const { id } = move;
      if (inspecting.has(id)) return;
      inspecting.add(id);
      // If no agent answers, there is no report: the migrator inspects again after its deadline.
      void inspect(move)
        .catch(() => {})
        .finally(() => inspecting.delete(id));
    },
    close() {
      closed = true;
      runs.stop();
    },
  };
}

function whyDead({ move: { vm, to }, endedBecause = `its QEMU at ${to} is gone` }: Run): string {
  return `${vm}: ${endedBecause}; start it again, from its disk, by declaring it at ${to}`;
}

function codeOf(error: unknown): string {
  return error instanceof RefusedOrder || error instanceof TagalongError ? error.code : 'INTERNAL';
}
