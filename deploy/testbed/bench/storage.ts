/** A disk that goes along while its guest writes to it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchRow } from '#simulations/bench/bench.ts';
import { exactly, inLab, plain, say } from './lab.ts';

const MBIT = 125_000;

/** @param diskBytes size of the disk */
export async function benchStorage(diskBytes: number): Promise<BenchRow[]> {
  say(`a disk of ${Math.round(diskBytes / 1e6)} MB, written to while it moves`);
  return inLab({ ratesBps: [200 * MBIT, 200 * MBIT], diskBytes }, async ({ guest, move }) => {
    await guest('disk-write', '4000000');
    await sleep(5000);
    const { durationMs, pauseMs, bytes } = await move();
    const written = Number(await guest('disk-write'));
    const equal = await guest('disk-verify').then(
      () => 1,
      () => 0,
    );
    const name = `disk of ${Math.round(diskBytes / 1e6)} MB with a writing guest`;
    return [
      plain(`${name}: whole move`, durationMs / 1000, 's'),
      plain(`${name}: sent`, bytes / 1e6, 'MB'),
      plain(`${name}: pause`, pauseMs, 'ms'),
      plain(`${name}: written by the guest meanwhile`, written / 1e6, 'MB'),
      exactly(`${name}: content equal after the move`, equal, '', 1),
    ];
  });
}
