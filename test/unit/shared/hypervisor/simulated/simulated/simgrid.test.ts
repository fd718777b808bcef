/**
 * Agreement with SimGrid 3.32's `live_migration` plugin (network model CM02): two hosts, one link of 125e6 B/s and 5 ms,
 * a VM of 1 GiB that dirties `ratio` × 119 MiB/s without ever writing a page twice, 30 ms downtime limit, rounds without
 * end. The figures are what SimGrid printed.
 */
import { describe, expect, test } from 'vitest';
import type { VmSpec } from '#shared/events/index.ts';
import { ORACLE } from '../oracle.ts';
import { doneAt, lastMeasured, moveOf, type World, world } from '../world.ts';

const RAM_BYTES = 1024 ** 3;
const RTT_MS = 10;

function guest(ratio: number): VmSpec {
  return {
    ramBytes: RAM_BYTES,
    dirtyRateBps: ratio * 119 * 1024 ** 2,
    // So large that pages are as good as never written twice: dirtying is linear, as SimGrid has it.
    workingSetBytes: 1e15,
    diskBytes: 0,
    downtimeLimitMs: 30,
    targetRttMs: 0,
  };
}

/** Begins `count` migrations at once over the one link; returns their ids. */
function begin(ratio: number, count: number): { simulated: World; ids: string[] } {
  const simulated = world({ model: ORACLE, rttMs: RTT_MS });
  simulated.sites([{ provider: 'link', rateBps: 125e6 }], 'a', 'b');
  const moves = Array.from({ length: count }, (_, i) => moveOf(`vm${i}`, 'a', 'b', guest(ratio)));
  for (const move of moves) {
    simulated.hypervisor.startVm(move.vm, 'a');
    simulated.drive(move);
  }
  return { simulated, ids: moves.map(({ id }) => id) };
}

/** From the begin of the memory copy until the VM runs at the destination. */
function totalS(simulated: World, id: string): number {
  return (doneAt(simulated, id, 'switch')! - doneAt(simulated, id, 'disk')!) / 1000;
}

describe('one migration takes as long, and stops the VM for as long, as in SimGrid (within 1 %)', () => {
  test.each([
    { ratio: 0, total: 8.605, downtime: 0.005 },
    { ratio: 0.1, total: 9.568, downtime: 0.0141 },
    { ratio: 0.3, total: 12.298, downtime: 0.0278 },
    { ratio: 0.5, total: 17.228, downtime: 0.0265 },
    { ratio: 0.7, total: 28.767, downtime: 0.0301 },
    { ratio: 0.8, total: 43.38, downtime: 0.03 },
  ])('dirty ratio $ratio: $total s, downtime $downtime s', ({ ratio, total, downtime }) => {
    const { simulated, ids } = begin(ratio, 1);
    simulated.settle();
    expect(Math.abs(totalS(simulated, ids[0]!) / total - 1)).toBeLessThan(0.01);
    expect(Math.abs(lastMeasured(simulated, ids[0]!).pauseMs / 1000 / downtime - 1)).toBeLessThan(0.01);
  });
});

test('two migrations at once: 42.991 s and 0.0256 s downtime each (within 1 %)', () => {
  const { simulated, ids } = begin(0.3, 2);
  simulated.settle();
  for (const id of ids) {
    expect(Math.abs(totalS(simulated, id) / 42.991 - 1)).toBeLessThan(0.01);
    expect(Math.abs(lastMeasured(simulated, id).pauseMs / 1000 / 0.0256 - 1)).toBeLessThan(0.01);
  }
});

describe('what never completes in SimGrid is still copying here, in rounds that no longer shrink', () => {
  test.each([
    { ratio: 0.9, count: 1, untilS: 100_000 },
    // Three keep each other from converging as a ratio of 0.9 does one; the shorter time spares three times the rounds.
    { ratio: 0.3, count: 3, untilS: 10_000 },
    { ratio: 0.3, count: 4, untilS: 100_000 },
  ])('dirty ratio $ratio, $count at once, after $untilS s', { timeout: 120_000 }, ({ ratio, count, untilS }) => {
    const { simulated, ids } = begin(ratio, count);
    simulated.clock.advanceTo((untilS / 2) * 1000);
    const halfway = ids.map((id) => simulated.progress.get(id)!.remainingBytes);
    simulated.clock.advanceTo(untilS * 1000);
    ids.forEach((id, i) => {
      expect(simulated.heard(id)).toEqual(['done prepare', 'done announce', 'done disk']);
      expect(simulated.progress.get(id)!.remainingBytes / halfway[i]!).toBeCloseTo(1, 6);
    });
  });
});
