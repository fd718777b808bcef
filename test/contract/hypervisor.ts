/** The contract of the hypervisor port: one suite that runs unchanged on each adapter. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PHASES, type Phase } from '#shared/events/index.ts';
import type { Hypervisor, Move, Report } from '#shared/hypervisor/hypervisor.ts';

/** An adapter with two sites and a path between them. */
export interface HypervisorHarness {
  readonly hypervisor: Hypervisor;
  /** A feasible move. Its memory copy takes long enough for a test to act during it. */
  readonly move: Move;
  /** Starts a VM at a site. */
  startVm(vm: string, site: string): void | Promise<void>;
  /** The sites where an instance of the VM runs now. The answer comes from the machines, not from the adapter's records. */
  runningSites(vm: string): string[] | Promise<string[]>;
  /** Lets time pass until the condition holds. Rejects if no activity remains, or after a timeout. */
  until(condition: () => boolean): Promise<void>;
  /** Lets enough time pass for an immediate or erroneous report to arrive. */
  settle(): Promise<void>;
  close(): void | Promise<void>;
}

type Kind<K extends Report['kind']> = Extract<Report, { kind: K }>;

/** @param makeHarness makes a separate harness for each test; it does not start the VM of `move` */
export function hypervisorContract(
  name: string,
  makeHarness: () => HypervisorHarness | Promise<HypervisorHarness>,
): void {
  describe(`hypervisor port: ${name}`, () => {
    let harness: HypervisorHarness;
    let hypervisor: Hypervisor;
    let move: Move;
    let reports: Report[];
    /** The sites where the VM ran at the time of each report. */
    let runningAtReport: Promise<string[]>[];
    let inCall: boolean;

    beforeEach(async () => {
      harness = await makeHarness();
      ({ hypervisor, move } = harness);
      reports = [];
      runningAtReport = [];
      inCall = false;
      hypervisor.listen((report) => {
        expect(inCall, 'a report must not come inside the call that asked').toBe(false);
        reports.push(report);
        runningAtReport.push(Promise.resolve(harness.runningSites(move.vm)));
      });
      await harness.startVm(move.vm, move.from);
    });
    afterEach(async () => {
      await harness.close();
    });

    const order = (give: () => void) => {
      inCall = true;
      give();
      inCall = false;
    };
    const answers = (step: Phase | 'abort') =>
      reports.filter(
        (report) =>
          (report.kind === 'done' || report.kind === 'failed') && report.id === move.id && report.step === step,
      );
    /** The first answer. If the step failed, it contains the error. */
    const expectDone = (step: Phase) => {
      const { kind, ...rest } = answers(step)[0]!;
      expect({ kind, ...('code' in rest && { code: rest.code, reason: rest.reason }) }).toEqual({ kind: 'done' });
    };
    const last = <K extends Report['kind']>(kind: K) =>
      reports.findLast((report) => report.kind === kind) as Kind<K> | undefined;
    const running = () => harness.runningSites(move.vm);

    const carryOut = async (step: Phase) => {
      order(() => hypervisor.begin(step, move));
      await harness.until(() => answers(step).length > 0);
      expectDone(step);
    };
    /** Carries out all steps up to and including `step`. */
    const carryOutTo = async (step: Phase) => {
      for (const each of PHASES.slice(0, PHASES.indexOf(step) + 1)) await carryOut(each);
    };
    /** Begins the memory copy and waits until it is under way. */
    const copyingMemory = async () => {
      await carryOutTo('disk');
      order(() => hypervisor.begin('memory', move));
      await harness.settle();
      expect(answers('memory')).toEqual([]);
    };
    /**
     * The state of the move without the totals, which grow while a running guest dirties memory. An idle guest may be paused
     * at its source from the end of the memory step on; then the source counts as its site.
     */
    const standing = async () => {
      const { runsAt = move.from, ...rest } = await inspection();
      return { ...rest, runsAt, measured: undefined };
    };
    const inspection = async () => {
      const before = reports.length;
      order(() => hypervisor.inspect(move));
      await harness.until(() => reports.slice(before).some(({ kind }) => kind === 'inspected'));
      return last('inspected')!;
    };
    const abort = async () => {
      order(() => hypervisor.abort(move));
      await harness.until(() => last('aborted') !== undefined);
    };
    const refusal = async (give: () => void) => {
      const before = reports.length;
      order(give);
      await harness.until(() => reports.slice(before).some(({ kind }) => kind === 'failed'));
      return last('failed')!;
    };

    /** One move from its first step to its last, whose record several tests read: a move of a real VM takes seconds. */
    interface WholeMove {
      readonly reports: readonly Report[];
      /** The sites where the VM ran after each step. */
      readonly runningAfter: ReadonlyMap<Phase, string[]>;
      /** The sites where the VM ran at each report of a step. */
      readonly runningDuring: ReadonlyMap<Phase, string[][]>;
    }
    let recorded: Promise<WholeMove> | undefined;
    const wholeMove = () => {
      recorded ??= (async () => {
        const [runningAfter, runningDuring] = [new Map<Phase, string[]>(), new Map<Phase, string[][]>()];
        for (const step of PHASES) {
          const before = runningAtReport.length;
          await carryOut(step);
          // The next step may pause the guest.
          runningDuring.set(step, await Promise.all(runningAtReport.slice(before)));
          runningAfter.set(step, await running());
        }
        await harness.settle();
        return { reports, runningAfter, runningDuring };
      })();
      return recorded;
    };

    test('the hypervisor answers each of the six steps once, and the VM runs only at the source until the switch is done', async () => {
      const whole = await wholeMove();
      for (const step of PHASES) {
        const switched = PHASES.indexOf(step) >= PHASES.indexOf('switch');
        const sites = whole.runningAfter.get(step)!;
        // An idle guest may be paused from the end of the memory step on.
        if (step !== 'memory' || sites.length > 0) expect(sites).toEqual([switched ? move.to : move.from]);
      }
      expect(whole.reports.filter(({ kind }) => kind === 'done' || kind === 'failed')).toMatchObject(
        PHASES.map((step) => ({ kind: 'done', step })),
      );
    });

    test('the VM runs at two sites at no report, and pauses only between memory and switch', async () => {
      const { runningDuring } = await wholeMove();
      for (const step of PHASES) {
        const seen = runningDuring.get(step)!;
        expect(seen.length).toBeGreaterThan(0);
        for (const sites of seen) expect(sites.length).toBeLessThanOrEqual(1);
        if (step !== 'memory') expect(seen.at(-1)).toHaveLength(1);
      }
    });

    test('the hypervisor measures the cost of a move, in total and by path, and the totals never decrease', async () => {
      const whole = await wholeMove();
      const { measured } = whole.reports.findLast((report) => report.kind === 'done') as Kind<'done'>;
      expect(measured.bytes).toBeGreaterThan(0);
      expect(measured.rounds).toBeGreaterThan(0);
      expect(measured.pauseMs).toBeGreaterThan(0);
      expect(measured.interruptionMs).toBeGreaterThanOrEqual(measured.pauseMs);
      expect(measured.subflows).toBeGreaterThan(0);
      const byPath = Object.values(measured.bytesByPath).reduce((a, b) => a + b, 0);
      expect(byPath / measured.bytes).toBeCloseTo(1, 6);
      const totals = whole.reports.map((report) => report.measured.bytes);
      expect(totals).toEqual([...totals].sort((a, b) => a - b));
    });

    test('a step that is under way is answered once when it is begun again, and is not disturbed by another step, which is refused', async () => {
      await copyingMemory();
      order(() => hypervisor.begin('memory', move));
      expect(await refusal(() => hypervisor.begin('switch', move))).toMatchObject({
        step: 'switch',
        code: 'BAD_ORDER',
      });
      await harness.until(() => answers('memory').length > 0);
      await harness.settle();
      expect(answers('memory')).toMatchObject([{ kind: 'done' }]);
    });

    test('beginning any step when it is done is answered again, and changes nothing', async () => {
      for (const step of PHASES) {
        await carryOut(step);
        const before = await standing();
        order(() => hypervisor.begin(step, move));
        await harness.until(() => answers(step).length > 1);
        await harness.settle();
        expect(answers(step).map(({ kind }) => kind)).toEqual(['done', 'done']);
        expect(await standing()).toEqual(before);
      }
    });

    test('an abort before anything was begun is answered, and the move can still be made', async () => {
      await abort();
      await carryOutTo('release');
      expect(await running()).toEqual([move.to]);
    });

    test('an abort in the middle of the memory copy replaces its answer, and the VM stays', async () => {
      await copyingMemory();
      await abort();
      await harness.settle();
      expect(answers('memory')).toEqual([]);
      expect(await running()).toEqual([move.from]);
      expect(await inspection()).toMatchObject({ runsAt: move.from, done: [], underWay: undefined });
      // A second run of the move shows that the aborted copy sends no late answer.
      reports.length = 0;
      await carryOutTo('release');
      expect(PHASES.map((step) => answers(step).length)).toEqual([1, 1, 1, 1, 1, 1]);
    });

    test('an abort when the memory is copied leaves the VM at the source, and the move can be made again', async () => {
      await carryOutTo('memory');
      await abort();
      expect(await running()).toEqual([move.from]);
      reports.length = 0;
      await carryOutTo('release');
      expect(await running()).toEqual([move.to]);
    });

    test('an abort after the switch-over is refused, and the move can only complete', async () => {
      await carryOutTo('switch');
      expect(await refusal(() => hypervisor.abort(move))).toMatchObject({ step: 'abort', code: 'PAST_CANCEL' });
      expect(await running()).toEqual([move.to]);
      order(() => hypervisor.begin('release', move));
      await harness.until(() => answers('release').length > 0);
      expect(await inspection()).toMatchObject({ runsAt: move.to, done: PHASES });
      expect(await refusal(() => hypervisor.abort(move))).toMatchObject({ step: 'abort', code: 'PAST_CANCEL' });
    });

    test('inspect reports the true state after every step', async () => {
      expect(await inspection()).toMatchObject({ runsAt: move.from, done: [], underWay: undefined });
      await copyingMemory();
      expect(await inspection()).toMatchObject({
        runsAt: move.from,
        done: ['prepare', 'announce', 'disk'],
        underWay: 'memory',
      });
      await harness.until(() => answers('memory').length > 0);
      order(() => hypervisor.begin('switch', move));
      await harness.until(() => answers('switch').length > 0);
      expect(await inspection()).toMatchObject({ runsAt: move.to, done: PHASES.slice(0, 5), underWay: undefined });
      order(() => hypervisor.begin('release', move));
      await harness.until(() => answers('release').length > 0);
      expect(await inspection()).toMatchObject({ runsAt: move.to, done: PHASES, underWay: undefined });
    });

    test('a step out of order is refused and changes nothing', async () => {
      for (const { after, step } of [
        { after: undefined, step: 'memory' },
        { after: 'disk', step: 'switch' },
        { after: 'memory', step: 'release' },
      ] as const) {
        if (after === 'disk') await carryOutTo('disk');
        if (after === 'memory') await carryOut('memory');
        const before = await standing();
        expect(await refusal(() => hypervisor.begin(step, move))).toMatchObject({ step, code: 'BAD_ORDER' });
        expect(await standing()).toEqual(before);
        reports.length = 0;
        // An idle guest may be paused from the end of the memory step on; then it runs at no site.
        expect(after === 'memory' ? [[], [move.from]] : [[move.from]]).toContainEqual(await running());
      }
    });

    test('a VM that is unknown, not at the source, or being moved already is refused', async () => {
      const unknown = { ...move, id: 'unknown-vm', vm: 'unknown-vm' };
      expect(await refusal(() => hypervisor.begin('prepare', unknown))).toMatchObject({
        id: 'unknown-vm',
        step: 'prepare',
        code: 'NO_SUCH_VM',
      });
      const elsewhere = { ...move, id: 'elsewhere', from: move.to, to: move.from };
      expect(await refusal(() => hypervisor.begin('prepare', elsewhere))).toMatchObject({
        id: 'elsewhere',
        step: 'prepare',
        code: 'VM_ELSEWHERE',
      });
      await carryOut('prepare');
      const second = { ...move, id: 'second' };
      expect(await refusal(() => hypervisor.begin('prepare', second))).toMatchObject({
        id: 'second',
        step: 'prepare',
        code: 'BAD_ORDER',
      });
    });

    test('the latest listener gets the reports', async () => {
      const received: Report[] = [];
      hypervisor.listen((report) => received.push(report));
      order(() => hypervisor.begin('prepare', move));
      await harness.until(() => received.length > 0);
      expect(received).toMatchObject([{ kind: 'done', step: 'prepare' }]);
      expect(reports).toEqual([]);
    });
  });
}
