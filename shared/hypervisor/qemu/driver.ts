/**
 * The hypervisor port over the agents of the sites: real VMs under QEMU, moved over multipath TCP. Keeps nothing that
 * matters: what is true of a move is asked of its two agents each time, so a restart of whoever drives loses nothing.
 *
 * Safety rests on who may run the VM, which is written down at the sites and handed on in one direction: the source
 * gives it up for good before the destination is told to run it (rule 1), and has it back only after the destination
 * has given up the receiver for good (rule 2).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { TagalongError } from '../../errors.ts';
import { PHASES, type Phase } from '../../events/index.ts';
import { NOTHING_MEASURED } from '../../model/measured.ts';
import { pathsBetween, type Uplink } from '../../model/paths.ts';
import type { Hypervisor, Measured, Move, Report } from '../hypervisor.ts';
import { type AgentClient, RefusedOrder } from './client.ts';
import type { DriverRules, Run } from './run.ts';
import { STEPS } from './steps.ts';
import {
  doneSteps,
  goesForward,
  hasArrived,
  hasDied,
  measure,
  objection,
  runsAt,
  type Survey,
  standsBetween,
} from './survey.ts';

/** Real VMs, behind the port. */
export interface QemuHypervisor extends Hypervisor {
  /** Gives no more orders and reports no more; what is under way at the sites goes on. */
  close(): void;
}

/** Whom it orders, and how. */
export interface QemuHypervisorOptions {
  /** The agents by site. */
  readonly agents: ReadonlyMap<string, AgentClient>;
  /** How the sites are connected. */
  readonly sites: readonly { readonly site: string; readonly uplinks: readonly Uplink[] }[];
  readonly rules: DriverRules;
}

/** Between two tries to reach an agent. */
const RETRY_MS = 100;
/** An agent that is silent for longer is not waited for. */
const UNREACHABLE_MS = 300_000;

/** A move that nobody has asked for anything for so long was given up without a word. */
const FORGOTTEN_MS = 600_000;

/** What refuses has the codes of the port, and those of the agents (`shared/errors.ts`). */
export function qemuHypervisor({ agents, sites, rules }: QemuHypervisorOptions): QemuHypervisor {
  const runs = new Map<string, Run>();
  const asking = new Set<string>();
  let listener: (report: Report) => void = () => {};
  let closed = false;
  const say = (report: Report) => {
    if (!closed) listener(report);
  };

  const runOf = (move: Move): Run => {
    const known = runs.get(move.id);
    if (known) {
      known.touchedAtMs = Date.now();
      return known;
    }
    const [from, to] = [move.from, move.to].map((site) => sites.find((other) => other.site === site));
    const [source, destination] = [agents.get(move.from), agents.get(move.to)];
    if (!from || !to || !source || !destination) {
      throw new TagalongError(
        'SITE_UNKNOWN',
        `${move.from} or ${move.to} has no agent; sites with one: ${[...agents.keys()].join(', ')}`,
      );
    }
    const paths = pathsBetween(from, to);
    const run: Run = {
      move,
      source,
      destination,
      paths,
      underWay: undefined,
      isOver: false,
      touchedAtMs: Date.now(),
      measured: NOTHING_MEASURED,
      earlier: NOTHING_MEASURED,
      stop: new AbortController(),
    };
    // What an earlier move of the VM cost is not asked for any more once it is over, or nobody has asked for it for long.
    for (const [id, other] of runs) if (other.move.vm === move.vm && !isUnderWay(id)) runs.delete(id);
    runs.set(move.id, run);
    return run;
  };

  const surveyOf = async ({ source, destination, move }: Run): Promise<Survey> => {
    const [at, there] = await Promise.all([source.instance(move.vm), destination.instance(move.vm)]);
    return { source: at.instance, destination: there.instance };
  };
  const measureOf = (run: Run, survey: Survey): Measured => {
    const clocks = { source: run.source.clockAheadMs, destination: run.destination.clockAheadMs };
    // Of a source that is gone, or has come back by a later move, nothing can be read any more.
    const own = survey.source?.migration === run.move.id ? survey.source : undefined;
    run.measured = measure(run.measured, { ...survey, source: own }, run.paths, clocks, run.earlier);
    return run.measured;
  };

  /** Repeats what failed only because an agent did not answer, until it does or the move is called off. */
  const patiently = async <T>({ stop }: Run, work: () => Promise<T>): Promise<T> => {
    for (const untilMs = Date.now() + UNREACHABLE_MS; ; ) {
      if (stop.signal.aborted || closed) throw new CalledOff();
      try {
        const result = await work();
        if (stop.signal.aborted || closed) throw new CalledOff();
        return result;
      } catch (error) {
        const silent = error instanceof TagalongError && error.code === 'AGENT_UNREACHABLE';
        if (!silent || Date.now() > untilMs) throw error;
        await sleep(RETRY_MS);
      }
    }
  };

  const carryOut = async (step: Phase, run: Run) => {
    const { move } = run;
    const { signal } = run.stop;
    const { id } = move;
    const fail = (code: string, reason: string) => {
      if (signal.aborted) return;
      run.underWay = undefined;
      say({ kind: 'failed', id, step, code, reason, measured: run.measured });
    };
    try {
      const survey = await patiently(run, () => surveyOf(run));
      const done = doneSteps(survey, move);
      if (!done.includes(step)) {
        const next = PHASES[done.length];
        if (step !== next) return fail('BAD_ORDER', `the next step of ${id} is ${next}, not ${step}`);
        const objected = step === 'prepare' ? objection(survey, move, run.paths, isUnderWay) : undefined;
        if (objected) return fail(objected.code, objected.reason);
        await STEPS[step]({
          run,
          survey,
          rules,
          patiently: (work) => patiently(run, work),
          look: async () => {
            const seen = await patiently(run, () => surveyOf(run));
            measureOf(run, seen);
            return seen;
          },
          progress(remainingBytes, rateBps) {
            if (!signal.aborted) say({ kind: 'progress', id, step, measured: run.measured, remainingBytes, rateBps });
          },
        });
      }
      const after = await patiently(run, () => surveyOf(run));
      const measured = measureOf(run, after);
      run.isOver = step === 'release';
      if (run.isOver && hasDied(after, move)) return fail('VM_NOT_RUNNING', deadWords(run));
      run.underWay = undefined;
      say({ kind: 'done', id, step, measured });
    } catch (error) {
      if (error instanceof CalledOff) return;
      fail(codeOf(error), (error as Error).message);
    }
  };
  const isUnderWay = (migration: string) => {
    const run = runs.get(migration);
    if (run === undefined || run.isOver) return false;
    return run.underWay !== undefined || Date.now() - run.touchedAtMs < FORGOTTEN_MS;
  };

  const undo = async (run: Run) => {
    const { move, source, destination } = run;
    const { id, vm, from, to } = move;
    const { measured } = run;
    const fail = (code: string, reason: string) => {
      run.underWay = undefined;
      say({ kind: 'failed', id, step: 'abort', code, reason, measured });
    };
    try {
      const before = await patiently(run, () => surveyOf(run));
      if (hasArrived(before, move) || goesForward(before, move))
        return fail('PAST_CANCEL', `${vm} has left ${from} for ${to}`);
      measureOf(run, before);
      await patiently(run, () => destination.order(vm, 'discard', { migration: id }));
      // The destination will never run it now, whatever comes late: the source may.
      if (before.source) {
        const { instance } = await patiently(run, () => source.order(vm, 'abort', { migration: id, voided: true }));
        if (instance?.state === 'dead') return fail('QEMU_GONE', `${vm}: its QEMU at ${from} is no more`);
      }
      run.underWay = undefined;
      runs.delete(id);
      say({ kind: 'aborted', id, measured: run.measured });
    } catch (error) {
      if (error instanceof CalledOff) return;
      if (codeOf(error) === 'AGENT_ANSWER_INVALID' && (await takeBack(run))) {
        run.underWay = undefined;
        runs.delete(id);
        say({ kind: 'aborted', id, measured: run.measured });
      } else fail(codeOf(error), (error as Error).message);
    }
  };
  /**
   * Has the VM run on at its source although the destination answers nonsense. The source itself refuses where it has
   * handed the VM over; and the receiver at the destination is told to run it by nobody, because this move is over.
   */
  const takeBack = async (run: Run): Promise<boolean> => {
    const { move, source } = run;
    try {
      await patiently(run, () => source.order(move.vm, 'abort', { migration: move.id, voided: false }));
      const { instance } = await patiently(run, () => source.instance(move.vm));
      return instance?.state === 'running';
    } catch {
      return false;
    }
  };

  /** Something that cannot even begin is answered as well, later than it was asked. */
  const orRefuse = ({ id }: Move, step: Phase | 'abort', work: () => void) => {
    try {
      work();
    } catch (error) {
      const reason = (error as Error).message;
      queueMicrotask(() => say({ kind: 'failed', id, step, code: codeOf(error), reason, measured: NOTHING_MEASURED }));
    }
  };

  return {
    listen(next) {
      listener = next;
    },
    begin(step, move) {
      orRefuse(move, step, () => {
        const run = runOf(move);
        if (run.underWay === step) return;
        if (run.underWay) throw new RefusedOrder('BAD_ORDER', `${run.underWay} is still under way`);
        run.underWay = step;
        void carryOut(step, run);
      });
    },
    abort(move) {
      orRefuse(move, 'abort', () => {
        const run = runOf(move);
        run.stop.abort();
        run.stop = new AbortController();
        void undo(run);
      });
    },
    inspect(move) {
      const { id } = move;
      if (asking.has(id)) return;
      asking.add(id);
      void (async () => {
        try {
          const run = runOf(move);
          const survey = await patiently({ ...run, stop: new AbortController() }, () => surveyOf(run));
          const between = standsBetween(survey, move) ? 'switch' : hasDied(survey, move) ? 'release' : undefined;
          say({
            kind: 'truth',
            id,
            runsAt: runsAt(survey, move),
            done: doneSteps(survey, move),
            underWay: run.underWay ?? between,
            onlyForward: goesForward(survey, move),
            measured: measureOf(run, survey),
          });
        } catch {
          // No answer is an answer too: whoever asked asks again.
        } finally {
          asking.delete(id);
        }
      })();
    },
    close() {
      closed = true;
      for (const { stop } of runs.values()) stop.abort();
    },
  };
}

/** A step that is to end without an answer. */
class CalledOff extends Error {
  override readonly name = 'CalledOff';
}

function deadWords({ move: { vm, to }, died = `its QEMU at ${to} is no more` }: Run): string {
  return `${vm}: ${died}; start it again, from its disk, by declaring it at ${to}`;
}

function codeOf(error: unknown): string {
  return error instanceof RefusedOrder || error instanceof TagalongError ? error.code : 'INTERNAL';
}
