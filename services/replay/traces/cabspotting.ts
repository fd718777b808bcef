import { stem } from './files.ts';
import { lineFormat } from './line-format.ts';

/** The names of Cabspotting's files. */
export const CABSPOTTING_FILE = /^new_.+\.txt(\.gz)?$/;
/** A line: `lat lon occupied unix_seconds`. */
export const CABSPOTTING_LINE = /^\s*-?\d+(\.\d+)?\s+-?\d+(\.\d+)?\s+[01]\s+\d+\s*$/;

/**
 * Reads San Francisco's taxis of 2008 as they were published (CRAWDAD epfl/mobility): a folder with one `new_<cab>.txt` for each cab, or
 * one such file. Copies differ in the order of lines (some have the newest first) and in the line ends.
 */
export const openCabspotting = lineFormat(CABSPOTTING_FILE, 'files new_<cab>.txt', (line, file, number, rows) => {
  const [lat, lon, , t] = line.trim().split(/\s+/);
  return rows.read({ user: stem(file).replace(/^new_/, ''), t, lat, lon }, file, number);
});
