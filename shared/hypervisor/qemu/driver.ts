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
import { type BothEnds, doneSteps, goesForward, hasDied, objection, runsAt, standsBetween } from './both-ends.ts';
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
  /** The uplinks of each site. May change while it runs. */
  readonly sites: readonly { readonly site: string; readonly uplinks: readonly Uplink[] }[];
  readonly rules: DriverRules;
  readonly log: Log;
}

/** Creates the driver. Its failed reports have the codes of the port, or those of the agents (`shared/errors.ts`). */
export function qemuHypervisor(options: QemuHypervisorOptions): QemuHypervisor {
  const driver = new Driver(options);
  return {
    listen: (listener) => driver.listen(listener),
    begin: (step, move) => driver.begin(step, move),
    abort: (move) => driver.abort(move),
    inspect: (move) => driver.inspect(move),
    close: () => driver.close(),
  };
}

class Driver implements QemuHypervisor {
  readonly #rules: DriverRules;
  readonly #log: Log;
  readonly #runs: Runs;
  /** Moves that are being inspected. */
  readonly #inspecting = new Set<string>();
  #listener: (report: Report) => void = () => {};
  #closed = false;

  constructor({ agents, sites, rules, log }: QemuHypervisorOptions) {
    this.#rules = rules;
    this.#log = serviceLog(log, 'hypervisor');
    this.#runs = new Runs(agents, sites);
  }

  listen(listener: (report: Report) => void): void {
    this.#listener = listener;
  }

  begin(step: Phase, move: Move): void {
    this.#orRefuse(move, step, () => {
      const run = this.#runs.of(move);
      if (run.underWay === step) return;
      if (run.underWay) throw new RefusedOrder('BAD_ORDER', `${run.underWay} is still under way`);
      run.underWay = step;
      void this.#carryOut(step, run);
    });
  }

  abort(move: Move): void {
    this.#orRefuse(move, 'abort', () => {
      const run = this.#runs.of(move);
      run.stop.abort();
      run.stop = new AbortController();
      void this.#takeBack(run);
    });
  }

  inspect(move: Move): void {
    const { id } = move;
    if (this.#inspecting.has(id)) return;
    this.#inspecting.add(id);
    // If no agent answers, there is no report: the migrator inspects again after its deadline.
    void this.#inspect(move)
      .catch(() => {})
      .finally(() => this.#inspecting.delete(id));
  }

  close(): void {
    this.#closed = true;
    this.#runs.stop();
  }

  #report(report: Report): void {
    if (!this.#closed) this.#listener(report);
  }

  /** Reports `failed` if an order throws at once; after the call, as the port demands. */
  #orRefuse({ id }: Move, step: Phase | 'abort', work: () => void): void {
    try {
      work();
    } catch (error) {
      const failure = { code: codeOf(error), reason: (error as Error).message };
      queueMicrotask(() => this.#report({ kind: 'failed', id, step, ...failure, measured: NOTHING_MEASURED }));
    }
  }

  /** The retry and the log for the orders of one step, until `run.stop` is aborted. */
  #orderingFor(run: Run): Pick<StepContext, 'patiently' | 'log'> {
    const { signal } = run.stop;
    const { id: migration, vm } = run.move;
    return {
      patiently: (work) => whileUnreachable(work, () => signal.aborted || this.#closed),
      log: (figures, what) => this.#log.info({ vm, migration, ...figures }, what),
    };
  }

  async #carryOut(step: Phase, run: Run): Promise<void> {
    const { move } = run;
    const { id } = move;
    const { signal } = run.stop;
    const ordering = this.#orderingFor(run);
    const fail = (code: string, reason: string) => {
      if (signal.aborted) return;
      run.underWay = undefined;
      this.#log.warn({ vm: move.vm, migration: id, step, code, reason }, 'a step of a move failed');
      this.#report({ kind: 'failed', id, step, code, reason, measured: run.measured });
    };
    try {
      const ends = await ordering.patiently(() => askBothEnds(run));
      const done = doneSteps(ends, move);
      if (!done.includes(step)) {
        const next = PHASES[done.length];
        if (step !== next) return fail('BAD_ORDER', `the next step of ${id} is ${next}, not ${step}`);
        const objected = step === 'prepare' ? objection(ends, move, run.paths, this.#runs.isUnderWay) : undefined;
        if (objected) return fail(objected.code, objected.reason);
        await STEPS[step](this.#contextOf(step, run, ends, ordering));
      }
      const after = await ordering.patiently(() => askBothEnds(run));
      const measured = updateMeasured(run, after);
      run.isOver = step === 'release';
      if (run.isOver && hasDied(after, move)) return fail('VM_NOT_RUNNING', whyDead(run));
      run.underWay = undefined;
      this.#report({ kind: 'done', id, step, measured });
    } catch (error) {
      if (!(error instanceof Cancelled)) fail(codeOf(error), (error as Error).message);
    }
  }

  #contextOf(step: Phase, run: Run, ends: BothEnds, ordering: Pick<StepContext, 'patiently' | 'log'>): StepContext {
    const { signal } = run.stop;
    return {
      ...ordering,
      run,
      ends,
      rules: this.#rules,
      ask: async () => {
        const now = await ordering.patiently(() => askBothEnds(run));
        updateMeasured(run, now);
        return now;
      },
      progress: (remainingBytes, rateBps) => {
        if (signal.aborted) return;
        const { id } = run.move;
        this.#report({ kind: 'progress', id, step, measured: run.measured, remainingBytes, rateBps });
      },
    };
  }

  async #takeBack(run: Run): Promise<void> {
    const { move, measured } = run;
    const { id, vm } = move;
    try {
      await undo(run, this.#orderingFor(run));
      run.underWay = undefined;
      this.#runs.delete(id);
      this.#report({ kind: 'aborted', id, measured: run.measured });
    } catch (error) {
      if (error instanceof Cancelled) return;
      run.underWay = undefined;
      const failure = { code: codeOf(error), reason: (error as Error).message };
      this.#log.warn({ vm, migration: id, ...failure }, 'a move was not undone');
      this.#report({ kind: 'failed', id, step: 'abort', ...failure, measured });
    }
  }

  async #inspect(move: Move): Promise<void> {
    const run = this.#runs.of(move);
    const ends = await whileUnreachable(
      () => askBothEnds(run),
      () => this.#closed,
    );
    const between = standsBetween(ends, move) ? 'switch' : hasDied(ends, move) ? 'release' : undefined;
    this.#report({
      kind: 'inspected',
      id: move.id,
      runsAt: runsAt(ends, move),
      done: doneSteps(ends, move),
      underWay: run.underWay ?? between,
      onlyForward: goesForward(ends, move),
      measured: updateMeasured(run, ends),
    });
  }
}

function whyDead({ move: { vm, to }, endedBecause = `its QEMU at ${to} is gone` }: Run): string {
  return `${vm}: ${endedBecause}; start it again, from its disk, by declaring it at ${to}`;
}

function codeOf(error: unknown): string {
  return error instanceof RefusedOrder || error instanceof TagalongError ? error.code : 'INTERNAL';
}
