/**
 * The simulated hypervisor agrees with the `live_migration` plugin of SimGrid 3.32. SimGrid ran with the network model CM02, no
 * cross traffic, and TCP-gamma 1e15 (with 0, it ignores the speed limit of a migration). The set-up: two hosts; one link of 125e6
 * B/s and 5 ms by default; VMs of 1 GiB that send at most 119 MiB/s and dirty `ratio` × 119 MiB/s of their working set; a downtime
 * limit of 30 ms; unlimited rounds. The figures are the output of SimGrid.
 */
import { describe, expect, test } from 'vitest';
import type { VmSpec } from '#shared/events/index.ts';
import { ORACLE } from '../oracle.ts';
import { doneAt, lastMeasured, moveOf, type World, world } from '../world.ts';

const MIB = 2 ** 20;
const LATENCY_MS = 5;

function guest(ratio: number, workingSetMib: number): VmSpec {
  return {
    ramBytes: 1024 * MIB,
    dirtyRateBps: ratio * 119 * MIB,
    workingSetBytes: workingSetMib * MIB,
    diskBytes: 0,
    downtimeLimitMs: 30,
    targetRttMs: 0,
  };
}

/** Begins `count` migrations at once over one link. @returns their ids */
function begin(
  ratio: number,
  count: number,
  { workingSetMib = 1024, latencyMs = LATENCY_MS } = {},
): { simulated: World; ids: string[] } {
  const simulated = world({ model: ORACLE, rttMs: 2 * latencyMs });
  simulated.sites([{ provider: 'link', rateBps: 125e6 }], 'a', 'b');
  const moves = Array.from({ length: count }, (_, i) => moveOf(`vm${i}`, 'a', 'b', guest(ratio, workingSetMib)));
  for (const move of moves) {
    simulated.hypervisor.startVm(move.vm, 'a');
    simulated.drive(move);
  }
  return { simulated, ids: moves.map(({ id }) => id) };
}

/** The seconds from the beginning of the memory copy until the VM runs at its destination. */
function totalS(simulated: World, id: string): number {
  return (doneAt(simulated, id, 'switch')! - doneAt(simulated, id, 'disk')!) / 1000;
}

/** Asserts the duration and the downtime of all these migrations, in seconds. */
function expectAll({ simulated, ids }: ReturnType<typeof begin>, total: number, downtime: number): void {
  simulated.settle();
  for (const id of ids) {
    expect(Math.abs(totalS(simulated, id) / total - 1), `total ${totalS(simulated, id)} s`).toBeLessThan(0.001);
    const downtimeS = lastMeasured(simulated, id).pauseMs / 1000;
    expect(Math.abs(downtimeS / downtime - 1), `downtime ${downtimeS} s`).toBeLessThan(0.01);
  }
}

describe('a migration has the duration of SimGrid (within 0.1 %) and its downtime (within 1 %)', () => {
  test.each([
    { ratio: 0, total: 8.62, downtime: 0.005 },
    { ratio: 0.1, total: 9.5868, downtime: 0.01416 },
    { ratio: 0.3, total: 12.3288, downtime: 0.02805 },
    { ratio: 0.5, total: 17.2883, downtime: 0.0268 },
    { ratio: 0.7, total: 28.9336, downtime: 0.03066 },
    { ratio: 0.8, total: 43.7878, downtime: 0.02935 },
  ])('dirty ratio $ratio: $total s, downtime $downtime s', ({ ratio, total, downtime }) => {
    expectAll(begin(ratio, 1), total, downtime);
  });

  test.each([
    { ratio: 0.6, workingSetMib: 921.6, total: 21.6333, downtime: 0.03121 },
    { ratio: 0.6, workingSetMib: 512, total: 19.4792, downtime: 0.02808 },
    { ratio: 2, workingSetMib: 2, total: 8.6368, downtime: 0.02181 },
  ])('dirty ratio $ratio, working set $workingSetMib MiB: $total s', ({ ratio, workingSetMib, total, downtime }) => {
    expectAll(begin(ratio, 1, { workingSetMib }), total, downtime);
  });

  test('without latency: 17.1933 s', () => expectAll(begin(0.5, 1, { latencyMs: 0 }), 17.1933, 0.01681));

  test.each([
    { count: 2, ratio: 0.3, workingSetMib: 1024, total: 42.9906, downtime: 0.0256 },
    { count: 2, ratio: 0.2, workingSetMib: 300, total: 25.6079, downtime: 0.02871 },
    { count: 3, ratio: 0.25, workingSetMib: 1024, total: 103.011, downtime: 0.03029 },
  ])('$count at once, dirty ratio $ratio, working set $workingSetMib MiB: $total s each', (row) => {
    const { count, ratio, workingSetMib, total, downtime } = row;
    expectAll(begin(ratio, count, { workingSetMib }), total, downtime);
  });
});

describe('a migration that never completes in SimGrid copies rounds of constant size', () => {
  test.each([
    { ratio: 0.9, count: 1, untilS: 20_000, options: {} },
    { ratio: 0.95, count: 1, untilS: 10_000, options: { workingSetMib: 200 } },
    { ratio: 0.75, count: 1, untilS: 10_000, options: { latencyMs: 25 } },
    { ratio: 0.5, count: 2, untilS: 100_000, options: { workingSetMib: 200 } },
    // Three of them never converge. The shorter time saves rounds.
    { ratio: 0.3, count: 3, untilS: 10_000, options: {} },
    { ratio: 0.3, count: 4, untilS: 100_000, options: {} },
  ])('dirty ratio $ratio, $count at once, $options', { timeout: 120_000 }, ({ ratio, count, untilS, options }) => {
    const { simulated, ids } = begin(ratio, count, options);
    simulated.clock.advanceTo((untilS / 2) * 1000);
    const halfway = ids.map((id) => simulated.progress.get(id)!.remainingBytes);
    simulated.clock.advanceTo(untilS * 1000);
    ids.forEach((id, i) => {
      expect(simulated.reportsOf(id)).toEqual(['done prepare', 'done announce', 'done disk']);
      expect(simulated.progress.get(id)!.remainingBytes / halfway[i]!).toBeCloseTo(1, 6);
    });
  });
});
