import { lineFormat } from './line-format.ts';

export const TDRIVE_FILE = /^\d+\.txt(\.gz)?$/;
/** `taxi,date time,lon,lat` */
export const TDRIVE_LINE = /^\s*\w+\s*,\s*\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s*,\s*-?\d+(\.\d+)?\s*,\s*-?\d+(\.\d+)?\s*$/;

/** What its description does not say; people in Beijing read their clocks so. */
const ZONE = '+08:00';

/**
 * T-Drive (Microsoft Research Asia, Beijing's taxis in February 2008): a folder with one `<taxi>.txt` for each taxi, or
 * one such file, without a header. Times are taken for Beijing's.
 */
export const openTdrive = lineFormat(TDRIVE_FILE, 'files <taxi>.txt', (line, file, number, rows) => {
  const [user, time, lon, lat] = line.split(',');
  return rows.read({ user, t: time?.trim() && `${time.trim()}${ZONE}`, lat, lon }, file, number);
});
