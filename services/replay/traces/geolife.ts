import { basename, dirname, resolve } from 'node:path';
import { stem } from './files.ts';
import { lineFormat } from './line-format.ts';

export const GEOLIFE_FILE = /\.plt(\.gz)?$/i;
export const GEOLIFE_LINE = /^\s*geolife trajectory\s*$/i;

const HEADER_LINES = 6;

/**
 * GeoLife (Microsoft Research Asia, 2007-2012): a folder `<user>/Trajectory/*.plt`, a part of it, or one file. After six
 * lines of header `lat,lon,0,altitude_ft,days_since_1899-12-30,date,time`; date and time are GMT.
 */
export const openGeolife = lineFormat(GEOLIFE_FILE, 'files *.plt', (line, file, number, rows) => {
  const fields = line.split(',');
  // No line of the header has as many fields as a row: lost is neither a row nor its fault.
  if (number <= HEADER_LINES && fields.length !== 7) return undefined;
  const [lat, lon, , , , date, time] = fields;
  const t = date === undefined || time === undefined ? undefined : `${date.trim()}T${time.trim()}Z`;
  return rows.read({ user: userOf(file), t, lat, lon }, file, number);
});

/** A trajectory's name is its time; whose it is is said by the folder. */
function userOf(file: string): string {
  const folder = dirname(resolve(file));
  return basename(folder) === 'Trajectory' ? basename(dirname(folder)) : stem(file);
}
