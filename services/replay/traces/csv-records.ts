/**
 * Reads CSV (RFC 4180) as records of text, in bounded memory.
 *
 * csv-parse alone takes 2.0 to 2.4 s for the 456,453 rows of a day of San Francisco's taxis, five times as long as unzipping and splitting
 * lines. Recorded traces contain no quotes, and a line without a quote needs only `split`. So this file splits lines up to the first one
 * with a quote; from there on csv-parse reads.
 */
import { pipeline, Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { TagalongError } from '#shared/errors.ts';
import { readText } from './files.ts';
import { LONGEST_LINE, tooLong } from './lines.ts';

/** A record of a CSV file. */
export interface CsvRecord {
  /** The line on which the record begins, from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

const RECORDS_PER_BATCH = 4096;

/**
 * Yields all records of a file in order, including the header. An empty line is a record, too ({@link isBlank}).
 * @throws TagalongError TRACE_UNREADABLE
 */
export async function* csvRecords(path: string): AsyncGenerator<CsvRecord[], void, void> {
  const chunks = readText(path);
  try {
    let open = '';
    let line = 1;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
      const text = open + next.value;
      const quote = text.indexOf('"', open.length);
      const end = text.lastIndexOf('\n', quote < 0 ? undefined : quote) + 1;
      const records = splitLines(text.slice(0, end), line);
      if (records.length > 0) yield records;
      line += records.length;
      open = text.slice(end);
      if (quote >= 0) return yield* quotedRecords(path, open, chunks, line);
      if (open.length > LONGEST_LINE) throw tooLong(path, line);
    }
    if (open !== '') yield splitLines(`${open}\n`, line);
  } finally {
    await chunks.return();
  }
}

/** True for the record of an empty line. */
export function isBlank(fields: readonly string[]): boolean {
  return fields.length === 1 && fields[0]!.trim() === '';
}

/** Splits complete lines without quotes. */
function splitLines(text: string, firstLine: number): CsvRecord[] {
  const records: CsvRecord[] = [];
  for (let start = 0, end = text.indexOf('\n'); end >= 0; start = end + 1, end = text.indexOf('\n', start)) {
    const stop = text.charCodeAt(end - 1) === 0x0d && end > start ? end - 1 : end;
    records.push({ line: firstLine + records.length, fields: text.slice(start, stop).split(',') });
  }
  return records;
}

/** Reads the rest of a file, from a line with a quote on. */
async function* quotedRecords(
  path: string,
  begun: string,
  chunks: AsyncIterable<string>,
  firstLine: number,
): AsyncGenerator<CsvRecord[], void, void> {
  const text = async function* () {
    yield begun;
    yield* chunks;
  };
  const parser = parse({
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    relax_quotes: true,
    max_record_size: LONGEST_LINE,
  });
  // The line count of csv-parse counts CRLF within quotes as two lines.
  let line = firstLine;
  let records: CsvRecord[] = [];
  try {
    for await (const fields of pipeline(Readable.from(text()), parser, () => {}) as AsyncIterable<string[]>) {
      records.push({ line, fields });
      line += 1 + fields.reduce((ends, field) => ends + lineEnds(field), 0);
      if (records.length < RECORDS_PER_BATCH) continue;
      yield records;
      records = [];
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    if (cause.code === 'CSV_MAX_RECORD_SIZE') throw tooLong(path, line);
    const what = cause.code === 'CSV_QUOTE_NOT_CLOSED' ? 'a quote is opened and never closed' : cause.message;
    throw new TagalongError('TRACE_UNREADABLE', `${path}:${line}: ${what}; write CSV as in RFC 4180`, {
      cause,
    });
  }
  if (records.length > 0) yield records;
}

function lineEnds(field: string): number {
  return field.includes('\n') ? field.split('\n').length - 1 : 0;
}
