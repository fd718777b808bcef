import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TagalongError } from '#shared/errors.ts';

/** The size of a piece: some thousand rows. Smaller pieces cost time, larger pieces only memory. */
const CHUNK_BYTES = 128 * 1024;

/**
 * Yields the text of a UTF-8 file in pieces of some 100 kB, without a byte order mark. It unzips a file that begins with the two bytes of
 * gzip, whatever its name is.
 * @throws TagalongError TRACE_UNREADABLE
 */
export async function* readText(path: string): AsyncGenerator<string, void, void> {
  const decoder = new TextDecoder();
  try {
    for await (const bytes of await openBytes(path)) yield decoder.decode(bytes as Uint8Array, { stream: true });
    yield decoder.decode();
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

async function openBytes(path: string): Promise<Readable> {
  const handle = await open(path);
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    const file = handle.createReadStream({ start: 0, highWaterMark: CHUNK_BYTES });
    if (buffer.readUInt16BE() !== 0x1f8b) return file;
    // The reader of the last stream gets the errors. `pipeline` also closes the file if the reader stops early.
    return pipeline(file, createGunzip({ chunkSize: CHUNK_BYTES }), () => {});
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The first piece of a file's text. */
export async function peekText(path: string): Promise<string> {
  for await (const text of readText(path)) if (text !== '') return text;
  return '';
}

/** How many folders deep the reader searches for files. Published data sets are no deeper. */
const DEEPEST = 4;

/** The names of all files in a folder and its subfolders, sorted; undefined if the path is not a folder. */
export async function namesIn(path: string): Promise<string[] | undefined> {
  try {
    return (await stat(path)).isDirectory() ? await namesBelow(path, DEEPEST) : undefined;
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

async function namesBelow(path: string, depth: number): Promise<string[]> {
  const names: string[] = [];
  const entries = (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (!entry.isDirectory()) names.push(entry.name);
    else if (depth > 0 && !entry.name.startsWith('.')) {
      for (const name of await namesBelow(join(path, entry.name), depth - 1)) names.push(join(entry.name, name));
    }
  }
  return names;
}

/**
 * The files of a trace: the one file itself, or the files of a folder whose names fit.
 * @throws TagalongError TRACE_UNREADABLE if a folder has none
 */
export async function filesOf(path: string, pattern: RegExp, wanted: string): Promise<string[]> {
  const names = await namesIn(path);
  if (names === undefined) return [path];
  const files = names.filter((name) => pattern.test(basename(name))).map((name) => join(path, name));
  if (files.length > 0) return files;
  throw new TagalongError(
    'TRACE_UNREADABLE',
    `${path}: the folder has no ${wanted}; name a folder with such files, or one file`,
  );
}

/** The name of a file without folder and extensions: `/data/new_abc.txt.gz` → `new_abc`. */
export function stem(path: string): string {
  return basename(path).replace(/(\.[a-z]+)?(\.gz)?$/i, '');
}

function unreadable(path: string, cause: unknown): Error {
  if (cause instanceof TagalongError) return cause;
  return new TagalongError(
    'TRACE_UNREADABLE',
    `${path}: cannot be read (${(cause as Error).message}); name a whole file that you may read`,
    { cause },
  );
}
