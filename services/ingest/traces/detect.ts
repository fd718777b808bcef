import { TagalongError } from '#shared/errors.ts';
import { CABSPOTTING_FILE, CABSPOTTING_LINE } from './cabspotting.ts';
import { namesIn, peekText } from './files.ts';
import { GPX_FILE } from './gpx.ts';
import { shortened } from './row.ts';
import type { TraceFormat } from './trace.ts';

const KNOWN =
  'known are csv (a header with user,t,lat,lon), cabspotting (a folder of new_<cab>.txt) and gpx (a file, or a folder of *.gpx), each also gzipped';

/**
 * Tells the format of a trace by what is in it.
 * @throws TagalongError TRACE_UNREADABLE that says what was found instead, and which formats there are
 */
export async function detectFormat(path: string): Promise<TraceFormat> {
  const names = await namesIn(path);
  return names === undefined ? formatOfText(path, await peekText(path)) : formatOfFolder(path, names);
}

function formatOfFolder(path: string, names: readonly string[]): TraceFormat {
  const cabs = names.filter((name) => CABSPOTTING_FILE.test(name)).length;
  const gpx = names.filter((name) => GPX_FILE.test(name)).length;
  if (cabs > 0 && gpx === 0) return 'cabspotting';
  if (gpx > 0 && cabs === 0) return 'gpx';
  if (cabs > 0) throw unknown(path, `both new_<cab>.txt (${cabs}) and *.gpx (${gpx})`);
  throw unknown(path, `a folder of ${names.length} other files`);
}

function formatOfText(path: string, text: string): TraceFormat {
  if (text === '') throw unknown(path, 'an empty file');
  if (text.includes('\0')) throw unknown(path, 'binary data');
  if (/^\s*</.test(text)) return 'gpx';
  const line = text.slice(0, text.search(/\r?\n|$/));
  if (CABSPOTTING_LINE.test(line)) return 'cabspotting';
  if (line.includes(',')) return 'csv';
  throw unknown(path, `a first line ${JSON.stringify(shortened(line))}`);
}

function unknown(path: string, found: string): TagalongError {
  return new TagalongError('TRACE_UNREADABLE', `${path}: format not known: found ${found}; ${KNOWN}`);
}
