import { readColumns } from './columns.ts';
import { isBlank } from './csv-records.ts';
import type { Fix } from './fix.ts';
import type { OpenFormat } from './formats.ts';
import { fieldOf, type Rows, shortened, timeMs } from './row.ts';

const COLUMNS = ['TAXI_ID', 'TIMESTAMP', 'POLYLINE'] as const;

/** The time between two points of a trip. */
const EVERY_S = 15;

/**
 * Reads Porto's taxis of 2013/14 (ECML/PKDD 2015 challenge): CSV with one trip in each record. POLYLINE is a JSON array of [lon, lat], one
 * point every 15 s from TIMESTAMP (Unix seconds) on. Each point counts as a row. Trips without points are counted as others. If
 * MISSING_DATA is True, some points are missing, and it is unknown which: the points after them get too early a time.
 */
export const openPorto: OpenFormat = async (path) => {
  const columns = await readColumns(path, COLUMNS, {});
  return async function* (rows) {
    for await (const records of columns.records()) {
      const fixes: Fix[] = [];
      for (const { fields, line } of records) {
        if (isBlank(fields)) continue;
        const [user, t, polyline] = COLUMNS.map((column) => fields[columns.places[column]]);
        const points = pointsIn(polyline);
        if (points === undefined) {
          rows.bad(
            path,
            line,
            `POLYLINE: ${JSON.stringify(shortened(polyline ?? ''))} is no list of points; give [[lon,lat],…]`,
          );
        } else if (points.length === 0) {
          rows.other();
        } else fixes.push(...fixesOf({ user, t }, points, path, line, rows));
      }
      if (fixes.length > 0) yield fixes;
    }
  };
};

function pointsIn(polyline: string | undefined): unknown[] | undefined {
  try {
    const points: unknown = JSON.parse(polyline ?? '');
    return Array.isArray(points) ? points : undefined;
  } catch {
    return undefined;
  }
}

function fixesOf(
  trip: { readonly user: string | undefined; readonly t: string | undefined },
  points: readonly unknown[],
  path: string,
  line: number,
  rows: Rows,
): Fix[] {
  const startMs = timeMs(trip.t);
  // An invalid time stays as it is in the file, so that the fault quotes it.
  const timeOf = (i: number) => (Number.isNaN(startMs) ? trip.t : String(startMs / 1000 + i * EVERY_S));
  return points
    .map((point, i) => {
      const [lon, lat] = Array.isArray(point) ? point : [];
      return rows.read({ user: trip.user, t: timeOf(i), lat: fieldOf(lat), lon: fieldOf(lon) }, path, line);
    })
    .filter((fix) => fix !== undefined);
}
