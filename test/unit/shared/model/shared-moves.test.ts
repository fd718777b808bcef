import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { VmSpec } from '#shared/events/index.ts';
import { DEFAULT_MOVE_MODEL, predictMove } from '#shared/model/move-model.ts';
import { predictTogether, type SharedMove } from '#shared/model/shared-moves.ts';
import { SEED } from '../../../property/seed.ts';
import { doneAt, lastMeasured, moveOf, world } from '../hypervisor/simulated/world.ts';
import { IDLE_SPEC, UPLINKS } from '../policy/world.ts';

const MODEL = DEFAULT_MOVE_MODEL;
const RTT_MS = 10;

const specs: fc.Arbitrary<VmSpec> = fc.record({
  ramBytes: fc.integer({ min: 1, max: 40 }).map((n) => n * 1e8),
  dirtyRateBps: fc.constantFrom(0, 1e6, 2e7),
  workingSetBytes: fc.constantFrom(0, 5e7, 2e8),
  diskBytes: fc.constantFrom(0, 0, 3e9),
  downtimeLimitMs: fc.constantFrom(30, 300),
  targetRttMs: fc.constant(10),
});

/** Moves between sites `0` to `3` that have the same uplinks, as the model takes them. */
function shared(moves: readonly { spec: VmSpec; from: number; to: number; orderedAtMs: number }[]): SharedMove[] {
  const link = (site: number, direction: number, provider: number) => site * 4 + direction * 2 + provider;
  return moves.map(({ spec, from, to, orderedAtMs }) => ({
    ...{ spec, orderedAtMs, rttMs: RTT_MS, progress: null },
    paths: [0, 1].map((provider) => [link(from, 0, provider), link(to, 1, provider)]),
  }));
}
const RATES = Array.from({ length: 16 }, (_, link) => UPLINKS[link % 2]!.rateBps);

describe('moves that are predicted together', () => {
  test('one alone takes what is predicted of a move alone', () => {
    fc.assert(
      fc.property(specs, fc.integer({ min: 0, max: 100_000 }), (spec, orderedAtMs) => {
        const [together] = predictTogether(MODEL, RATES, shared([{ spec, from: 0, to: 1, orderedAtMs }]));
        const paths = UPLINKS.map((uplink, i) => ({ id: `${i}`, ...uplink }));
        const alone = predictMove(MODEL, spec, paths, RTT_MS);
        expect(together).toMatchObject({ rounds: alone.rounds, converges: alone.converges });
        for (const figure of ['durationMs', 'interruptionMs', 'bytes'] as const) {
          expect(together![figure] / alone[figure]).toBeCloseTo(1, 6);
        }
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  const order = fc.record({
    spec: specs,
    from: fc.integer({ min: 0, max: 3 }),
    hop: fc.integer({ min: 1, max: 3 }),
    orderedAtMs: fc.integer({ min: 0, max: 20_000 }),
  });

  test('several take what the simulated hypervisor makes of them', () => {
    let sharing = 0;
    fc.assert(
      fc.property(fc.array(order, { minLength: 2, maxLength: 4 }), (orders) => {
        const simulated = world({ rttMs: RTT_MS });
        simulated.sites(UPLINKS, '0', '1', '2', '3');
        const moves = orders.map(({ hop, ...each }) => ({ ...each, to: (each.from + hop) % 4 }));
        const hypervisorMoves = moves.map(({ spec, from, to }, i) => moveOf(`v${i}`, `${from}`, `${to}`, spec));
        hypervisorMoves.forEach((move, i) => {
          simulated.hypervisor.startVm(move.vm, move.from);
          simulated.clock.at(moves[i]!.orderedAtMs, () => simulated.drive(move));
        });
        simulated.settle();
        const forecasts = predictTogether(MODEL, RATES, shared(moves));
        forecasts.forEach(({ durationMs, interruptionMs, converges }, i) => {
          if (!converges) return;
          const { id } = hypervisorMoves[i]!;
          const measuredMs = doneAt(simulated, id, 'release')! - moves[i]!.orderedAtMs;
          expect(durationMs).toBeCloseTo(measuredMs, 0);
          expect(interruptionMs).toBeCloseTo(lastMeasured(simulated, id).interruptionMs, 0);
          const [alone] = predictTogether(MODEL, RATES, [shared(moves)[i]!]);
          if (durationMs > alone!.durationMs * 1.1) sharing++;
        });
      }),
      { seed: SEED, numRuns: 200 },
    );
    expect(sharing).toBeGreaterThan(50);
  });

  test('one whose first round has half of its bytes to go ends when these are sent, and what was dirtied in all of the round', () => {
    const spec = {
      ramBytes: 4e9,
      dirtyRateBps: 2e7,
      workingSetBytes: 2e8,
      diskBytes: 0,
      downtimeLimitMs: 300,
      targetRttMs: 10,
    };
    const [whole] = shared([{ spec, from: 0, to: 1, orderedAtMs: 0 }]);
    const [before] = predictTogether(MODEL, RATES, [whole!]);
    const beginMs = MODEL.prepareMs.multi + MODEL.announceMs + RTT_MS;
    const rateBps = 1.6e8 * MODEL.efficiency.multi;
    const progress = {
      phase: 'memory',
      round: 0,
      remainingBytes: 2e9,
      rateBps,
      roundBytes: 4e9,
      sinceMs: beginMs,
    } as const;
    const halfMs = beginMs + (2e9 / rateBps) * 1000;
    const [after] = predictTogether(MODEL, RATES, [{ ...whole!, progress: { ...progress, atMs: halfMs } }]);
    expect(after!.durationMs).toBeCloseTo(before!.durationMs, 3);
    const [slow] = predictTogether(MODEL, RATES, [{ ...whole!, progress: { ...progress, atMs: halfMs + 5000 } }]);
    expect(slow!.durationMs - before!.durationMs).toBeGreaterThan(5000);
  });

  test('without a way a move never ends', () => {
    const [never] = predictTogether(
      MODEL,
      [0],
      [{ spec: IDLE_SPEC, rttMs: 1, paths: [[0]], orderedAtMs: 0, progress: null }],
    );
    expect(never).toMatchObject({ converges: false });
  });
});
