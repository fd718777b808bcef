import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { realClock } from '#shared/clock/real.ts';
import { PHASES } from '#shared/events/index.ts';
import type { Report } from '#shared/hypervisor/hypervisor.ts';
import { simulatedHypervisor } from '#shared/hypervisor/simulated/simulated.ts';
import { DEFAULT_MOVE_MODEL, predictMove } from '#shared/model/move-model.ts';
import { DEFAULT_NETWORK } from '#shared/model/network.ts';
import { pathsBetween } from '#shared/model/paths.ts';
import { doneAt, lastMeasured, moveOf, SMALL_VM, world } from '../world.ts';

const ONE_PATH = [{ provider: 'isp1', rateBps: 125e6 }];
const TWO_PATHS = [...ONE_PATH, { provider: 'isp2', rateBps: 125e6 }];

describe('a move alone on its paths', () => {
  test('has the predicted duration, interruption, bytes and rounds', () => {
    const cases = fc.record({
      spec: fc.record({
        ramBytes: fc.double({ min: 1e8, max: 6.4e10, noNaN: true }),
        dirtyRateBps: fc.double({ min: 0, max: 2e8, noNaN: true }),
        workingSetBytes: fc.double({ min: 0, max: 4e9, noNaN: true }),
        diskBytes: fc.oneof(fc.constant(0), fc.double({ min: 1, max: 1e11, noNaN: true })),
        downtimeLimitMs: fc.constantFrom(30, 300, 2000),
        targetRttMs: fc.constant(20),
      }),
      ratesBps: fc.array(fc.double({ min: 1e7, max: 2e9, noNaN: true }), { minLength: 1, maxLength: 3 }),
      rttMs: fc.double({ min: 0.1, max: 200, noNaN: true }),
    });
    fc.assert(
      fc.property(cases, ({ spec, ratesBps, rttMs }) => {
        const uplinks = ratesBps.map((rateBps, i) => ({ provider: `isp${i}`, rateBps }));
        const paths = pathsBetween({ site: 'a', uplinks }, { site: 'b', uplinks });
        const predicted = predictMove(DEFAULT_MOVE_MODEL, spec, paths, rttMs);

        const simulated = world({ rttMs });
        simulated.sites(uplinks, 'a', 'b');
        simulated.hypervisor.startVm('vm', 'a');
        const move = moveOf('vm', 'a', 'b', spec);
        simulated.drive(move);
        simulated.settle();

        const measured = lastMeasured(simulated, move.id);
        expect(measured.rounds).toBe(predicted.rounds);
        if (!predicted.converges) {
          expect(simulated.reportsOf(move.id).at(-1)).toBe('failed memory NOT_CONVERGING');
          expect(simulated.hypervisor.running('vm')).toEqual(['a']);
          return;
        }
        // The clock counts in doubles, so that the resolution is relative, and a thousandth of a millisecond.
        expect(doneAt(simulated, move.id, 'release')! / predicted.durationMs).toBeCloseTo(1, 6);
        expect(measured.interruptionMs).toBeCloseTo(predicted.interruptionMs, 3);
        expect(measured.bytes / predicted.bytes).toBeCloseTo(1, 6);
      }),
    );
  });

  test('has the same figures with and without reports of progress', () => {
    const play = (progressEveryMs?: number) => {
      const simulated = world(progressEveryMs === undefined ? {} : { progressEveryMs });
      simulated.sites(TWO_PATHS, 'a', 'b', 'c');
      for (const vm of ['one', 'two']) simulated.hypervisor.startVm(vm, 'a');
      simulated.drive(moveOf('one', 'a', 'b'));
      simulated.clock.at(1_234, () => simulated.drive(moveOf('two', 'a', 'c')));
      simulated.settle();
      return simulated;
    };
    const watched = play(100);
    expect(watched.reports).toEqual(play().reports);
    expect(watched.progress.size).toBe(2);
  });

  test('over one path is degraded', () => {
    for (const [uplinks, degraded] of [
      [ONE_PATH, ['single-path']],
      [TWO_PATHS, []],
    ] as const) {
      const simulated = world();
      simulated.sites(uplinks, 'a', 'b');
      simulated.hypervisor.startVm('vm', 'a');
      simulated.drive(moveOf('vm', 'a', 'b'));
      simulated.settle();
      expect(lastMeasured(simulated, 'vm:a>b')).toMatchObject({ degraded, subflows: uplinks.length });
    }
  });

  test('that loses a path goes on over the other one, and is degraded', () => {
    const simulated = world();
    simulated.sites(TWO_PATHS, 'a', 'b');
    simulated.hypervisor.startVm('vm', 'a');
    simulated.drive(moveOf('vm', 'a', 'b'));
    simulated.clock.advanceTo(4000);
    simulated.sites(ONE_PATH, 'b');
    simulated.settle();
    expect(simulated.reportsOf('vm:a>b').at(-1)).toBe('done release');
    expect(lastMeasured(simulated, 'vm:a>b')).toMatchObject({ degraded: ['single-path'], subflows: 1 });
  });

  test('of a guest that writes too fast is forced after the last round, if the pause is acceptable', () => {
    const simulated = world();
    simulated.sites(ONE_PATH, 'a', 'b');
    simulated.hypervisor.startVm('vm', 'a');
    // The working set takes 1.7 s to send: more than the limit of 300 ms, less than the maximum pause.
    simulated.drive(moveOf('vm', 'a', 'b', { ...SMALL_VM, dirtyRateBps: 1e9, workingSetBytes: 2e8 }));
    simulated.settle();
    const measured = lastMeasured(simulated, 'vm:a>b');
    expect(measured.degraded).toEqual(['single-path', 'forced-stop']);
    expect(measured.rounds).toBe(DEFAULT_MOVE_MODEL.maxRounds);
    expect(measured.pauseMs).toBeGreaterThan(1000);
  });

  test('has a longer pause if the switch is ordered later', () => {
    const pauses = [0, 5000].map((waitedMs) => {
      const simulated = world();
      simulated.sites(TWO_PATHS, 'a', 'b');
      simulated.hypervisor.startVm('vm', 'a');
      const move = moveOf('vm', 'a', 'b');
      simulated.drive(move, 'memory');
      simulated.settle();
      simulated.clock.advanceTo(simulated.clock.now() + waitedMs);
      simulated.hypervisor.begin('switch', move);
      simulated.settle();
      return lastMeasured(simulated, move.id).pauseMs;
    });
    expect(pauses[1]!).toBeGreaterThan(pauses[0]! + 50);
  });
});

test("a move on the machine's clock, with its late timers, completes", async () => {
  const quick = { ...DEFAULT_MOVE_MODEL, prepareMs: { single: 2, multi: 2 }, announceMs: 1, resumeMs: 1, releaseMs: 1 };
  const clock = realClock();
  const hypervisor = simulatedHypervisor({ clock, model: quick, network: DEFAULT_NETWORK });
  for (const site of ['a', 'b']) hypervisor.declareSite({ site, lat: 0, lon: 0, uplinks: TWO_PATHS });
  hypervisor.startVm('vm', 'a');
  const move = moveOf('vm', 'a', 'b', { ...SMALL_VM, ramBytes: 1e6, workingSetBytes: 1e5 });
  const last = await new Promise<Report>((resolve) => {
    hypervisor.listen((report) => {
      if (report.kind === 'progress') return;
      const next = report.kind === 'done' ? PHASES[PHASES.indexOf(report.step) + 1] : undefined;
      if (next) hypervisor.begin(next, move);
      else resolve(report);
    });
    hypervisor.begin('prepare', move);
  });
  expect(last).toMatchObject({ kind: 'done', step: 'release' });
  expect(last.measured.bytes).toBeGreaterThanOrEqual(1e6);
  expect(hypervisor.running('vm')).toEqual(['b']);
});

describe('moves at the same time', () => {
  test('share the uplink of their source', () => {
    const copyMs = (count: number) => {
      const simulated = world();
      const names = Array.from({ length: count }, (_, i) => `to${i}`);
      simulated.sites(TWO_PATHS, 'a', ...names);
      for (const to of names) {
        simulated.hypervisor.startVm(`vm-${to}`, 'a');
        simulated.drive(moveOf(`vm-${to}`, 'a', to, { ...SMALL_VM, dirtyRateBps: 0 }));
      }
      simulated.settle();
      const id = `vm-to0:a>to0`;
      return doneAt(simulated, id, 'memory')! - doneAt(simulated, id, 'disk')!;
    };
    const [alone, four] = [copyMs(1), copyMs(4)];
    // The latency, 5 ms, is not shared.
    expect((four - 5) / (alone - 5)).toBeCloseTo(4, 6);
  });

  test('leave no trace: after many moves and aborts, a move takes as long as in a new world', () => {
    const used = world();
    used.sites(TWO_PATHS, 'a', 'b', 'c');
    const moves = Array.from({ length: 30 }, (_, i) => moveOf(`vm${i}`, 'a', i % 3 === 0 ? 'b' : 'c'));
    moves.forEach((move, i) => {
      used.hypervisor.startVm(move.vm, 'a');
      used.clock.at(i * 700, () => used.drive(move));
      if (i % 4 === 0) used.clock.at(i * 700 + 3000, () => used.hypervisor.abort(move));
      if (i % 7 === 1) used.clock.at(i * 700 + 4000, () => used.hypervisor.remove(move.vm));
    });
    used.settle();
    expect(used.clock.nextMs()).toBeUndefined();

    const fresh = world();
    fresh.sites(TWO_PATHS, 'a', 'b', 'c');
    const took = [used, fresh].map((simulated) => {
      const begunMs = simulated.clock.now();
      simulated.hypervisor.startVm('last', 'a');
      simulated.drive(moveOf('last', 'a', 'b'));
      simulated.settle();
      return doneAt(simulated, 'last:a>b', 'release')! - begunMs;
    });
    expect(took[0]! / took[1]!).toBeCloseTo(1, 9);
  });
});
