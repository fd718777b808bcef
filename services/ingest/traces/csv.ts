import { TagalongError } from '#shared/errors.ts';
import { csvRecords, isBlank } from './csv-records.ts';
import type { RawRow, ReadRow } from './row.ts';
import type { Fix, OpenFormat } from './trace.ts';

const COLUMNS = ['user', 't', 'lat', 'lon'] as const;

/** Where in a record each column is. */
type Places = Record<keyof RawRow, number>;

/**
 * CSV with a header that has the columns user, t, lat, lon, in any order, among others. `t` is Unix seconds, fractions
 * allowed, or ISO 8601. Read as a stream; the order of the file is kept.
 * @throws TagalongError TRACE_UNREADABLE where a column is missing
 */
export const openCsv: OpenFormat = async (path) => {
  const places = await readHeader(path);
  return (read) => fixesIn(path, places, read);
};

async function readHeader(path: string): Promise<Places> {
  for await (const [header] of csvRecords(path)) {
    const names = header!.fields.map((field) => field.trim());
    const missing = COLUMNS.find((column) => !names.includes(column));
    if (missing === undefined) return Object.fromEntries(COLUMNS.map((c) => [c, names.indexOf(c)])) as Places;
    throw new TagalongError(
      'TRACE_UNREADABLE',
      `${path}:1: no column "${missing}" in the header, one with ${COLUMNS.join(',')} would be right`,
    );
  }
  throw new TagalongError('TRACE_UNREADABLE', `${path}:1: empty, a header with ${COLUMNS.join(',')} would be right`);
}

async function* fixesIn(path: string, places: Places, read: ReadRow): AsyncGenerator<readonly Fix[], void, void> {
  let header = true;
  for await (const records of csvRecords(path)) {
    const fixes: Fix[] = [];
    for (const { fields, line } of header ? records.slice(1) : records) {
      if (isBlank(fields)) continue;
      const row = {
        user: fields[places.user],
        t: fields[places.t],
        lat: fields[places.lat],
        lon: fields[places.lon],
      };
      const fix = read(row, path, line);
      if (fix !== undefined) fixes.push(fix);
    }
    header = false;
    if (fixes.length > 0) yield fixes;
  }
}
