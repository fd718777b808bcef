import { TagalongError } from '#shared/errors.ts';
import { type CsvRecord, csvRecords } from './csv-records.ts';

/** A CSV file whose columns are found by the names in its header. */
export interface Columns<C extends string> {
  /** The index of each column in a record; -1 if the file does not have it. */
  readonly places: Readonly<Record<C, number>>;
  /** Reads the records behind the header, including blank ones. It may be called several times. */
  records(): AsyncGenerator<readonly CsvRecord[], void, void>;
}

/**
 * Reads the header of a CSV file.
 * @param names the names of columns that have another name in this file
 * @param optional columns that may be missing, unless `names` names them
 * @throws TagalongError TRACE_UNREADABLE if a column is missing
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
      `${path}:1: the header has no column "${missing}"; it needs ${wanted.join(',')}`,
    );
  }
  throw new TagalongError(
    'TRACE_UNREADABLE',
    `${path}:1: the file is empty; begin it with the header ${wanted.join(',')}`,
  );
}

async function* recordsIn(path: string): AsyncGenerator<readonly CsvRecord[], void, void> {
  let header = true;
  for await (const records of csvRecords(path)) {
    yield header ? records.slice(1) : records;
    header = false;
  }
}
