/** Measures the move of a disk while its guest writes to it, and its return. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchRow } from '#deploy/bench/bench.ts';
import { until } from '../../testbed/moves.ts';
import { atMost, exactly, inLab, plain, say, type Timed } from './lab.ts';

const MBIT = 125_000;
const WRITTEN_BPS = 4_000_000;
const AS_FAST_AS_CAN_BE_BPS = 1e9;
const FILL_MS = 200_000;
/** Duration of the guest's writes before each move. */
const WRITES_MS = 5000;

/** @param diskBytes size of the disk */
export async function benchStorage(diskBytes: number): Promise<BenchRow[]> {
  const name = `disk of ${Math.round(diskBytes / 1e6)} MB with a writing guest`;
  say(`a ${name}, moved there and back`);
  return inLab({ ratesBps: [200 * MBIT, 200 * MBIT], diskBytes }, async ({ guest, move }) => {
    const written = async () => Number(await guest('disk-write'));
    // Fills the disk, because blocks that were never written are not sent.
    await guest('disk-write', `${AS_FAST_AS_CAN_BE_BPS}`);
    await until(async () => (await written()) >= diskBytes, FILL_MS);
    await guest('disk-write', `${WRITTEN_BPS}`);
    await sleep(WRITES_MS);
    const out = await move();
    const before = await written();
    await sleep(WRITES_MS);
    const back = await move();
    const meanwhile = (await written()) - before;
    const equal = await guest('disk-verify').then(
      () => 1,
      () => 0,
    );
    const each = (way: string, { durationMs, bytes, diskSentBytes, pauseMs }: Timed) => [
      plain(`${name}, ${way}: whole move`, durationMs / 1000, 's'),
      plain(`${name}, ${way}: sent`, bytes / 1e6, 'MB'),
      plain(`${name}, ${way}: of that, of the disk`, diskSentBytes / 1e6, 'MB'),
      plain(`${name}, ${way}: pause`, pauseMs, 'ms'),
    ];
    return [
      ...each('way out', out),
      ...each('return', back),
      plain(`${name}: written from the way out to the end of the return`, meanwhile / 1e6, 'MB'),
      // The mirror sends a block once even if it was written twice, in whole pieces. Writes during the return go to both ends.
      atMost(`${name}: bytes of the disk, return ÷ way out`, back.diskSentBytes / out.diskSentBytes, 'x', 0.5),
      plain(`${name}: whole move, return ÷ way out`, back.durationMs / out.durationMs, 'x'),
      exactly(`${name}: content equal after both moves`, equal, '', 1),
    ];
  });
}
