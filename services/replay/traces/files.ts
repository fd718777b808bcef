import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TagalongError } from '#shared/errors.ts';

/** Some thousand rows. Smaller pieces cost time, larger ones nothing but memory. */
const CHUNK_BYTES = 128 * 1024;

/**
 * The text of a file in pieces of some 100 kB. UTF-8, a byte order mark is left out; gzip is told by its first two
 * bytes, not by the file's name.
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
    // Errors come out at the end that is read; `pipeline` also closes the file when the reader stops early.
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

/** How many folders deep files are looked for: as deep as published data sets have them. */
const DEEPEST = 4;

/** The names of the files in a folder and in those within it, in order; undefined where the path is not a folder. */
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
 * The files of a trace: those of a folder whose name fits, or the one file itself.
 * @throws TagalongError TRACE_UNREADABLE where a folder has none
 */
export async function filesOf(path: string, pattern: RegExp, wanted: string): Promise<string[]> {
  const names = await namesIn(path);
  if (names === undefined) return [path];
  const files = names.filter((name) => pattern.test(basename(name))).map((name) => join(path, name));
  if (files.length > 0) return files;
  throw new TagalongError(
    'TRACE_UNREADABLE',
    `${path}: a folder without ${wanted}; one with such files would be right`,
  );
}

/** `/data/new_abc.txt.gz` → `new_abc`. */
export function stem(path: string): string {
  return basename(path).replace(/(\.[a-z]+)?(\.gz)?$/i, '');
}

function unreadable(path: string, cause: unknown): Error {
  if (cause instanceof TagalongError) return cause;
  return new TagalongError('TRACE_UNREADABLE', `${path}: cannot be read: ${(cause as Error).message}`, { cause });
}
