import { lineFormat } from './line-format.ts';
import { shortened } from './row.ts';

/** A line: `taxi;time;POINT(lat lon)`. */
export const ROME_LINE = /^\s*[^;]{1,100};[^;]{1,100};\s*POINT\s?\([^;]{1,100}\)\s*$/;

/**
 * Reads Rome's taxis of February 2014 as they were published (CRAWDAD roma/taxi): `taxi;time;POINT(lat lon)`. The latitude comes first,
 * unlike in WKT. The time has a zone.
 */
export const openRome = lineFormat(/^taxi_.+\.txt(\.gz)?$/, 'files taxi_<month>.txt', (line, file, number, rows) => {
  const [user, t, point] = line.split(';').map((field) => field.trim());
  if (!point?.startsWith('POINT') || !point.endsWith(')')) {
    const found = JSON.stringify(shortened(point ?? line));
    rows.bad(file, number, `point: ${found} is no point; write taxi;time;POINT(lat lon)`);
    return undefined;
  }
  const [lat, lon] = point
    .slice(point.indexOf('(') + 1, -1)
    .trim()
    .split(/\s+/);
  return rows.read({ user, t, lat, lon }, file, number);
});
