import { lineFormat } from './line-format.ts';

/** The names of T-Drive's files. */
export const TDRIVE_FILE = /^\d+\.txt(\.gz)?$/;
/** A line: `taxi,date time,lon,lat`. */
export const TDRIVE_LINE = /^\s*\w+\s*,\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s*,\s*-?\d+(\.\d+)?\s*,\s*-?\d+(\.\d+)?\s*$/;

/** Beijing's time zone. The description of the data does not name a zone. */
const ZONE = '+08:00';

/**
 * Reads T-Drive (Microsoft Research Asia, Beijing's taxis in February 2008): a folder with one `<taxi>.txt` for each taxi, or one such
 * file, without a header. Times count as Beijing's.
 */
export const openTdrive = lineFormat(TDRIVE_FILE, 'files <taxi>.txt', (line, file, number, rows) => {
  const [user, time, lon, lat] = line.split(',');
  return rows.read({ user, t: time?.trim() && `${time.trim()}${ZONE}`, lat, lon }, file, number);
});
