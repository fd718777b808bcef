import { readColumns } from './columns.ts';
import { isBlank } from './csv-records.ts';
import type { Fix } from './fix.ts';
import type { OpenFormat } from './formats.ts';
import type { RawRow } from './row.ts';

const COLUMNS = ['user', 't', 'lat', 'lon'] as const satisfies readonly (keyof RawRow)[];

/**
 * CSV with a header that has the columns user, t, lat, lon, or those named for them, in any order, among others. `t` is
 * Unix seconds, fractions allowed, or ISO 8601. A column `presence` may be there (see `location.reported.v1`). Read as a stream; the
 * order of the file is kept.
 * @throws TagalongError TRACE_UNREADABLE where a column is missing
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
