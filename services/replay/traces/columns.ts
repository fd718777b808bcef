import { TagalongError } from '#shared/errors.ts';
import { type CsvRecord, csvRecords } from './csv-records.ts';

/** A CSV file by the names in its header. */
export interface Columns<C extends string> {
  /** Where in a record each column is; -1: nowhere. */
  readonly places: Readonly<Record<C, number>>;
  /** The records behind the header from the first, blank ones among them; can be asked for again. */
  records(): AsyncGenerator<readonly CsvRecord[], void, void>;
}

/**
 * Reads the header of a CSV file.
 * @param names what a column is called in this file, where that is not its own name
 * @param optional columns that may be missing, unless `names` names them
 * @throws TagalongError TRACE_UNREADABLE where a column is missing
 */
export async function readColumns<C extends string>(
  path: string,
  columns: readonly C[],
  names: Readonly<Partial<Record<C, string>>>,
  optional: readonly C[] = [],
): Promise<Columns<C>> {
  const all = [...columns, ...optional];
  const wanted = all
    .filter((column) => columns.includes(column) || names[column] !== undefined)
    .map((c) => names[c] ?? c);
  for await (const [header] of csvRecords(path)) {
    const found = header!.fields.map((field) => field.trim());
    const missing = wanted.find((name) => !found.includes(name));
    if (missing === undefined) {
      const places = Object.fromEntries(all.map((column) => [column, found.indexOf(names[column] ?? column)]));
      return { places: places as Record<C, number>, records: () => recordsIn(path) };
    }
    throw new TagalongError(
      'TRACE_UNREADABLE',
      `${path}:1: no column "${missing}" in the header, one with ${wanted.join(',')} would be right`,
    );
  }
  throw new TagalongError('TRACE_UNREADABLE', `${path}:1: empty, a header with ${wanted.join(',')} would be right`);
}

async function* recordsIn(path: string): AsyncGenerator<readonly CsvRecord[], void, void> {
  let header = true;
  for await (const records of csvRecords(path)) {
    yield header ? records.slice(1) : records;
    header = false;
  }
}
