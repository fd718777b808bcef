/** A trace in memory that all threads share. A position takes 32 bytes, whatever the number of runs. */

import type { Fix } from '#services/replay/traces/fix.ts';
import { packFix, UserNumbers, unpackFixes, WIDTH } from '#services/replay/traces/packed.ts';

/** The number of positions in a block, which becomes one batch. */
const BLOCK_FIXES = 4096;
/** Half a gigabyte of positions. */
const MOST_FIXES = 2 ** 24;

/** The positions, with users as numbers. Every thread can read them. */
export interface SharedTrace {
  readonly users: readonly string[];
  readonly blocks: readonly Float64Array<SharedArrayBuffer>[];
}

/**
 * Reads a trace into shared memory.
 * @param mostFixes the maximum number of positions
 * @returns undefined if the trace has more positions: then each run reads the trace by itself
 */
export async function shareTrace(
  batches: AsyncIterable<readonly Fix[]>,
  mostFixes = MOST_FIXES,
): Promise<SharedTrace | undefined> {
  const users = new UserNumbers();
  const blocks: Float64Array<SharedArrayBuffer>[] = [];
  let [fixes, at] = [0, 0];
  for await (const batch of batches) {
    fixes += batch.length;
    if (fixes > mostFixes) return undefined;
    for (const fix of batch) {
      if (at === 0) blocks.push(new Float64Array(new SharedArrayBuffer(BLOCK_FIXES * WIDTH * 8)));
      packFix(blocks.at(-1)!, at, fix, users);
      at = (at + WIDTH) % (BLOCK_FIXES * WIDTH);
    }
  }
  const last = blocks.pop();
  if (last) blocks.push(at === 0 ? last : last.subarray(0, at));
  return { users: users.names, blocks };
}

/** The positions of a shared trace, block by block. */
export function* sharedBatches({ users, blocks }: SharedTrace): Generator<readonly Fix[], void, void> {
  for (const block of blocks) yield unpackFixes(block, users);
}
