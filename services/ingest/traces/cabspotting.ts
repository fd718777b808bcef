import { filesOf, readText, stem } from './files.ts';
import type { ReadRow } from './row.ts';
import type { Fix, OpenFormat } from './trace.ts';
import { mergeByTime, type Track, trackOf } from './tracks.ts';

export const CABSPOTTING_FILE = /^new_.+\.txt(\.gz)?$/;
/** `lat lon occupied unix_seconds` */
export const CABSPOTTING_LINE = /^\s*-?\d+(\.\d+)?\s+-?\d+(\.\d+)?\s+[01]\s+\d+\s*$/;

/**
 * San Francisco's taxis of 2008 as they were published (CRAWDAD epfl/mobility): a folder with one `new_<cab>.txt` for
 * each cab, or one such file. Copies differ in their order (some newest first) and their line ends, so every file is
 * sorted, and all of them are merged by time; they are in memory for that, 24 bytes a fix.
 */
export const openCabspotting: OpenFormat = async (path) => {
  const files = await filesOf(path, CABSPOTTING_FILE, 'files new_<cab>.txt');
  return async function* (read) {
    const tracks: Track[] = [];
    for (const file of files) tracks.push(await readCab(file, read));
    yield* mergeByTime(tracks);
  };
};

async function readCab(file: string, read: ReadRow): Promise<Track> {
  const user = stem(file).replace(/^new_/, '');
  let text = '';
  for await (const piece of readText(file)) text += piece;
  const fixes: Fix[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    const row = line.trim();
    if (row === '') continue;
    const [lat, lon, , t] = row.split(/\s+/);
    const fix = read({ user, t, lat, lon }, file, i + 1);
    if (fix !== undefined) fixes.push(fix);
  }
  return trackOf(fixes[0]?.user ?? user, fixes);
}
