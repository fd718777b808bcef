import { readColumns } from './columns.ts';
import { isBlank } from './csv-records.ts';
import type { Fix } from './fix.ts';
import type { OpenFormat } from './formats.ts';
import type { RawRow } from './row.ts';

const COLUMNS = ['user', 't', 'lat', 'lon'] as const satisfies readonly (keyof RawRow)[];

/**
 * Reads CSV as a stream, in the order of the file. Its header has the columns user, t, lat and lon, or the names given for them, in any
 * order; other columns are ignored. `t` is Unix seconds (fractions allowed) or ISO 8601. The column `presence` is optional (see
 * `location.reported.v1`).
 * @throws TagalongError TRACE_UNREADABLE if a column is missing
 */
export const openCsv: OpenFormat = async (path, names) => {
  const columns = await readColumns(path, COLUMNS, names, ['presence']);
  const { places } = columns;
  return async function* (rows) {
    for await (const records of columns.records()) {
      const fixes: Fix[] = [];
      for (const { fields, line } of records) {
        if (isBlank(fields)) continue;
        const row = {
          user: fields[places.user],
          t: fields[places.t],
          lat: fields[places.lat],
          lon: fields[places.lon],
          presence: fields[places.presence],
        };
        const fix = rows.read(row, path, line);
        if (fix !== undefined) fixes.push(fix);
      }
      if (fixes.length > 0) yield fixes;
    }
  };
};
