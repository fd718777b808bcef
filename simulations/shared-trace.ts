/** A trace that was read once, in memory that all threads see: 32 bytes a position, however many runs there are. */

import type { Fix } from '#services/replay/traces/fix.ts';
import { packFix, UserNumbers, unpackFixes, WIDTH } from '#services/replay/traces/packed.ts';

/** The batch that is passed on at a time. */
const BLOCK_FIXES = 4096;
/** Half a gigabyte of them. */
const MOST_FIXES = 2 ** 24;

export interface SharedTrace {
  readonly users: readonly string[];
  readonly blocks: readonly Float64Array<SharedArrayBuffer>[];
}

/**
 * Reads a trace to its end.
 * @param mostFixes of a longer one the rest is not read
 * @returns undefined where the trace is longer: then each run reads it for itself
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

/** The positions as they were read, a block at a time. */
export function* sharedBatches({ users, blocks }: SharedTrace): Generator<readonly Fix[], void, void> {
  for (const block of blocks) yield unpackFixes(block, users);
}
