/** Makes a fix from the text of a row, by the same rules for every format. */
import { TagalongError } from '#shared/errors.ts';
import { PRESENCES, type Presence } from '#shared/policy/state/presence.ts';
import type { Fix } from './fix.ts';
import { userNames } from './names.ts';
import type { TraceReport } from './report.ts';

/** A row as the file gives it. A field is undefined if the row does not have it. */
export interface RawRow {
  readonly user: string | undefined;
  readonly t: string | undefined;
  readonly lat: string | undefined;
  readonly lon: string | undefined;
  /** Only in formats that have it. */
  readonly presence?: string | undefined;
}

/** Receives what a reader finds, and counts it. Everything in a file is counted. */
export interface Rows {
  /** Reads one row; undefined if it is bad. */
  read(row: RawRow, file: string, line: number): Fix | undefined;
  /** Counts a row that has no fields. @param fault what is wrong; what to write instead */
  bad(file: string, line: number, fault: string): void;
  /** Counts a record that is not a position, as its format allows. It is not a row. */
  other(): void;
}

/** Makes the receiver of rows. @param strict true makes its functions throw TagalongError TRACE_ROW_INVALID at a bad row */
export function rowReader(report: TraceReport, strict: boolean): Rows {
  const nameOf = userNames();
  const count = (file: string, line: number, fault: string) => {
    report.bad++;
    if (!strict && report.firstBad !== undefined) return;
    const where = `${file}:${line}: ${fault.slice(0, LONGEST_FAULT)}`;
    if (strict) throw new TagalongError('TRACE_ROW_INVALID', where);
    report.firstBad = where;
  };
  return {
    read(row, file, line) {
      report.rows++;
      const user = row.user?.trim();
      const atMs = timeMs(row.t);
      const lat = decimal(row.lat);
      const lon = decimal(row.lon);
      const presence = row.presence?.trim() || undefined;
      const isWhole = user && user.length <= LONGEST_NAME && !Number.isNaN(atMs) && isPlace(lat) && isPlace(lon);
      if (isWhole && presence === undefined) return { user: nameOf(user), atMs, lat, lon };
      if (isWhole && isPresence(presence)) return { user: nameOf(user), atMs, lat, lon, presence };
      count(file, line, faultIn(row));
      return undefined;
    },
    bad(file, line, fault) {
      report.rows++;
      count(file, line, fault);
    },
    other() {
      report.others = (report.others ?? 0) + 1;
    },
  };
}

const isPresence = (text: string | undefined): text is Presence => PRESENCES.includes(text as Presence);

/** A fault quotes what is in the file, and that may be anything. */
const LONGEST_FAULT = 400;

/** The most characters of a user's name. Names stay in memory while the trace is read. */
const LONGEST_NAME = 1000;

/** The largest number that is read. The plausibility filter counts numbers that are not degrees; larger ones could overflow in `between`. */
const LARGEST = 1e9;
const isPlace = (value: number) => Math.abs(value) <= LARGEST;

// No two parts of this expression can match the same digits, so it refuses a field of a megabyte as fast as a short one.
const DECIMAL = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;

/** A decimal number; NaN for all other text, also for text that `Number` would accept (empty, hexadecimal). */
export function decimal(text: string | undefined): number {
  if (text === undefined) return Number.NaN;
  const trimmed = text.trim();
  return DECIMAL.test(trimmed) ? Number(trimmed) : Number.NaN;
}

/** ISO 8601 with a date and a time of day; a zone may follow. */
const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(?:Z|([+-]\d\d):?(\d\d)?)?$/i;

/** The end of the year 9999, the last year of RFC 3339. Milliseconds that are read as seconds are later. */
const LAST_MS = Date.UTC(10_000, 0) - 1;

/**
 * Reads Unix seconds (fractions allowed) or ISO 8601, as whole milliseconds since the Unix epoch; NaN for other text, and for times before
 * 1970 or after 9999. ISO 8601 without a zone counts as UTC, whatever the zone of this machine is.
 */
export function timeMs(text: string | undefined): number {
  const seconds = decimal(text);
  const ms = Number.isNaN(seconds) ? isoMs(text?.trim() ?? '') : Math.round(seconds * 1000);
  return ms >= 0 && ms <= LAST_MS ? ms : Number.NaN;
}

function isoMs(text: string): number {
  const [, date, time, hours, minutes] = ISO.exec(text) ?? [];
  if (date === undefined) return Number.NaN;
  return Date.parse(`${date}T${time}${hours === undefined ? 'Z' : `${hours}:${minutes ?? '00'}`}`);
}

/** A JSON number or string as a field of a row; undefined for all other values. */
export function fieldOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

/** Describes the first wrong field. */
function faultIn(row: RawRow): string {
  if (!row.user?.trim() || row.user.trim().length > LONGEST_NAME) {
    return fault('user', row.user, 'is not a name', `1 to ${LONGEST_NAME} characters`);
  }
  if (Number.isNaN(timeMs(row.t))) {
    return fault('t', row.t, 'is not a time from 1970 to 9999', 'Unix seconds or ISO 8601');
  }
  if (isPlace(decimal(row.lat)) && isPlace(decimal(row.lon))) {
    return fault('presence', row.presence, 'is not known', PRESENCES.join(', '));
  }
  const field = isPlace(decimal(row.lat)) ? 'lon' : 'lat';
  return fault(field, row[field], `is not a number from ${-LARGEST} to ${LARGEST}`, 'decimal degrees');
}

function fault(field: string, text: string | undefined, wrong: string, right: string): string {
  const what = text?.trim() ? `${JSON.stringify(shortened(text))} ${wrong}` : 'is missing';
  return `${field}: ${what}; give ${right}`;
}

/** Cuts a text to 40 characters for a message of one line. */
export function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
