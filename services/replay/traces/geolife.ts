import { basename, dirname, resolve } from 'node:path';
import { stem } from './files.ts';
import { lineFormat } from './line-format.ts';

/** The names of GeoLife's files. */
export const GEOLIFE_FILE = /\.plt(\.gz)?$/i;
/** The first line of a file. */
export const GEOLIFE_LINE = /^\s*geolife trajectory\s*$/i;

const HEADER_LINES = 6;

/**
 * Reads GeoLife (Microsoft Research Asia, 2007-2012): a folder `<user>/Trajectory/*.plt`, a part of it, or one file. Six header lines
 * come before the rows `lat,lon,0,altitude_ft,days_since_1899-12-30,date,time`. Date and time are GMT.
 */
export const openGeolife = lineFormat(GEOLIFE_FILE, 'files *.plt', (line, file, number, rows) => {
  const fields = line.split(',');
  // A header line never has as many fields as a row, so no row is skipped and no header line is reported as a fault.
  if (number <= HEADER_LINES && fields.length !== 7) return undefined;
  const [lat, lon, , , , date, time] = fields;
  const t = date === undefined || time === undefined ? undefined : `${date.trim()}T${time.trim()}Z`;
  return rows.read({ user: userOf(file), t, lat, lon }, file, number);
});

/** The user is the name of the folder, because a trajectory's file is named after its time. */
function userOf(file: string): string {
  const folder = dirname(resolve(file));
  return basename(folder) === 'Trajectory' ? basename(dirname(folder)) : stem(file);
}
