/**
 * Sorts fixes by time in bounded memory: an external merge sort (Knuth, The Art of Computer Programming 3, 5.4). Runs of a million fixes
 * are sorted in memory. If there are several runs, they are stored in a file and merged.
 */
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import TinyQueue from 'tinyqueue';
import type { Fix } from './fix.ts';
import { packFix, UserNumbers, unpackFixes, WIDTH } from './packed.ts';

/** The fixes of a run: 32 MB. */
const RUN_FIXES = 2 ** 20;
/** The size of the first run at the start. It grows as needed, because most traces are far shorter than a run. */
const FIRST_FIXES = 2 ** 13;
/** The fixes that are read from a run, or yielded, at a time. */
const BLOCK_FIXES = 4096;

/**
 * Yields the same fixes in the order of time. Fixes of the same instant keep their order.
 * @param runFixes how many fixes are held in memory
 */
export async function* byTime(
  batches: AsyncIterable<readonly Fix[]>,
  runFixes = RUN_FIXES,
): AsyncGenerator<readonly Fix[], void, void> {
  const users = new UserNumbers();
  let run = new Float64Array(Math.min(FIRST_FIXES, runFixes) * WIDTH);
  let size = 0;
  let runs: Runs | undefined;
  try {
    for await (const batch of batches) {
      for (const fix of batch) {
        if (size === runFixes) {
          runs ??= await openRuns();
          await runs.write(sorted(run, size));
          size = 0;
        }
        const at = size * WIDTH;
        if (at === run.length) run = resized(run, Math.min(2 * at, runFixes * WIDTH));
        packFix(run, at, fix, users);
        size++;
      }
    }
    if (runs === undefined) {
      for (const block of sorted(run, size)) yield unpackFixes(block, users.names);
      return;
    }
    await runs.write(sorted(run, size));
    for await (const block of runs.merge()) yield unpackFixes(block, users.names);
  } finally {
    await runs?.close();
  }
}

function resized(run: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(length);
  larger.set(run);
  return larger;
}

/** Yields the first `size` fixes of a run in the order of time, in blocks. */
function* sorted(run: Float64Array, size: number): Generator<Float64Array, void, void> {
  const timeOf = (fix: number) => run[fix * WIDTH + 1]!;
  // Most files contain one sorted track after another. The sort of an array is fast on such input.
  const order = Array.from({ length: size }, (_, fix) => fix).sort((a, b) => timeOf(a) - timeOf(b));
  for (let from = 0; from < size; from += BLOCK_FIXES) {
    const fixes = order.slice(from, from + BLOCK_FIXES);
    const block = new Float64Array(fixes.length * WIDTH);
    for (const [i, fix] of fixes.entries()) block.set(run.subarray(fix * WIDTH, (fix + 1) * WIDTH), i * WIDTH);
    yield block;
  }
}

interface Runs {
  write(blocks: Iterable<Float64Array>): Promise<void>;
  /** Yields the merged runs in blocks. If times are equal, the earlier run comes first. */
  merge(): AsyncGenerator<Float64Array, void, void>;
  close(): Promise<void>;
}

/** The part of a run in the file that has not been read, in bytes. */
interface Extent {
  from: number;
  readonly to: number;
}

/** Opens a file without a name for runs: it disappears when it is closed, also after a crash. */
async function openRuns(): Promise<Runs> {
  const folder = await mkdtemp(join(tmpdir(), 'tagalong-'));
  const file = await open(join(folder, 'runs'), 'wx+', 0o600);
  await rm(folder, { recursive: true });
  const extents: Extent[] = [];
  let end = 0;
  return {
    async write(blocks) {
      const from = end;
      for (const block of blocks) {
        await file.write(new Uint8Array(block.buffer), 0, block.byteLength, end);
        end += block.byteLength;
      }
      extents.push({ from, to: end });
    },
    merge: () => mergeRuns(file, extents),
    close: () => file.close(),
  };
}

async function* mergeRuns(file: FileHandle, extents: readonly Extent[]): AsyncGenerator<Float64Array, void, void> {
  const heads = await Promise.all(
    extents.map(async (rest, run) => ({ rest, run, block: await nextBlock(file, rest), at: 0 })),
  );
  type Head = (typeof heads)[number];
  const timeOf = ({ block, at }: Head) => block[at + 1]!;
  const queue = new TinyQueue(heads, (a, b) => timeOf(a) - timeOf(b) || a.run - b.run);

  let merged = new Float64Array(BLOCK_FIXES * WIDTH);
  let size = 0;
  for (let head = queue.pop(); head !== undefined; head = queue.pop()) {
    merged.set(head.block.subarray(head.at, head.at + WIDTH), size);
    size += WIDTH;
    head.at += WIDTH;
    if (head.at === head.block.length) {
      head.block = await nextBlock(file, head.rest);
      head.at = 0;
    }
    if (head.block.length > 0) queue.push(head);
    if (size < merged.length) continue;
    yield merged;
    merged = new Float64Array(BLOCK_FIXES * WIDTH);
    size = 0;
  }
  if (size > 0) yield merged.subarray(0, size);
}

/** Reads the next block of a run; empty at its end. */
async function nextBlock(file: FileHandle, rest: Extent): Promise<Float64Array> {
  const bytes = new Uint8Array(Math.min(BLOCK_FIXES * WIDTH * 8, rest.to - rest.from));
  for (let read = 0; read < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, read, bytes.length - read, rest.from + read);
    if (bytesRead === 0) throw new Error('the file of sorted runs is shorter than what was written to it');
    read += bytesRead;
  }
  rest.from += bytes.length;
  return new Float64Array(bytes.buffer);
}
