/** Generates traces in every format, and breaks them in every way that files break. */
import fc from 'fast-check';
import type { Fix } from '#services/replay/traces/fix.ts';
import type { TraceFormat } from '#services/replay/traces/formats.ts';
import { encode, envelop } from '#shared/events/index.ts';

interface Sample {
  readonly format: TraceFormat;
  /** The text before the rows, and the text after them. */
  readonly head?: string;
  readonly tail?: string;
  /** The text between two rows. @default a line end */
  readonly join?: string;
  readonly row: (fix: Fix, i: number) => string;
  /** True if each line is a row, so that a test can count the rows of a broken file. */
  readonly byLine: boolean;
}

const iso = (atMs: number) => new Date(atMs).toISOString();

const SAMPLES: readonly Sample[] = [
  {
    format: 'csv',
    head: 'user,t,lat,lon\n',
    row: ({ user, atMs, lat, lon }) => `${user},${atMs / 1000},${lat},${lon}`,
    byLine: true,
  },
  {
    format: 'events',
    row: (fix, i) =>
      encode(
        envelop({ type: 'location.reported.v1', data: { ...fix, vm: `vm-${fix.user}` } }, `${i}`, '/tagalong/ingest'),
      ),
    byLine: true,
  },
  { format: 'cabspotting', row: ({ atMs, lat, lon }) => `${lat} ${lon} 0 ${atMs / 1000}`, byLine: true },
  {
    format: 'geolife',
    head: 'Geolife trajectory\nWGS 84\nAltitude is in Feet\nReserved 3\n0,2,255,My Track,0,0,2,8421376\n0\n',
    row: ({ atMs, lat, lon }) => `${lat},${lon},0,492,39744.12,${iso(atMs).slice(0, 10)},${iso(atMs).slice(11, 19)}`,
    byLine: true,
  },
  {
    format: 'tdrive',
    row: ({ user, atMs, lat, lon }) =>
      `${user},${iso(atMs + 28_800_000)
        .slice(0, 19)
        .replace('T', ' ')},${lon},${lat}`,
    byLine: true,
  },
  {
    format: 'rome',
    row: ({ user, atMs, lat, lon }) => `${user};${iso(atMs).slice(0, 19).replace('T', ' ')}+00;POINT(${lat} ${lon})`,
    byLine: true,
  },
  {
    format: 'owntracks',
    row: ({ user, atMs, lat, lon }) => JSON.stringify({ _type: 'location', tid: user, tst: atMs / 1000, lat, lon }),
    byLine: true,
  },
  {
    format: 'porto',
    head: '"TRIP_ID","TAXI_ID","TIMESTAMP","POLYLINE"\n',
    row: ({ user, atMs, lat, lon }, i) => `"${i}","${user}","${atMs / 1000}","[[${lon},${lat}]]"`,
    byLine: false,
  },
  {
    format: 'gpx',
    head: '<?xml version="1.0"?>\n<gpx version="1.1">\n<trk><name>ann</name><trkseg>\n',
    row: ({ atMs, lat, lon }) => `<trkpt lat="${lat}" lon="${lon}"><time>${iso(atMs)}</time></trkpt>`,
    tail: '</trkseg></trk></gpx>\n',
    byLine: false,
  },
  {
    format: 'sumo-fcd',
    head: '<?xml version="1.0"?>\n<fcd-export>\n',
    row: ({ user, atMs, lat, lon }) =>
      `<timestep time="${atMs / 1000}"><vehicle id="${user}" x="${lon}" y="${lat}" speed="3"/></timestep>`,
    tail: '</fcd-export>\n',
    byLine: false,
  },
  {
    format: 'geojson',
    head: '{"type":"FeatureCollection","features":[\n',
    row: ({ user, atMs, lat, lon }) =>
      `{"type":"Feature","geometry":{"type":"Point","coordinates":[${lon},${lat}]},"properties":{"user":"${user}","t":${atMs / 1000}}}`,
    join: ',\n',
    tail: ']}\n',
    byLine: false,
  },
];

/** A whole trace. */
export interface Whole {
  readonly format: TraceFormat;
  readonly byLine: boolean;
  /** The positions in order of time, without users: some formats have none. */
  readonly places: readonly (readonly [atMs: number, lat: number, lon: number])[];
  readonly head: string;
  readonly rows: readonly string[];
  readonly join: string;
  readonly tail: string;
}

const fix = fc.record({
  user: fc.constantFrom('7', '8', '9'),
  // Whole seconds, because some formats have no fractions.
  atMs: fc.integer({ min: 1_200_000, max: 1_900_000 }).map((s) => s * 1_000_000),
  lat: fc.integer({ min: -89_000, max: 89_000 }).map((n) => n / 1000),
  lon: fc.integer({ min: -179_000, max: 179_000 }).map((n) => n / 1000),
});

/** A whole trace in any format, in order of time. */
export const wholeTrace: fc.Arbitrary<Whole> = fc
  .tuple(
    fc.constantFrom(...SAMPLES),
    fc.uniqueArray(fix, { minLength: 1, maxLength: 40, selector: ({ atMs }) => atMs }),
  )
  .map(([{ format, byLine, head = '', tail = '', join = '\n', row }, some]) => {
    const fixes = some.toSorted((a, b) => a.atMs - b.atMs);
    return {
      format,
      byLine,
      places: fixes.map(({ atMs, lat, lon }) => [atMs, lat, lon] as const),
      head,
      rows: fixes.map(row),
      join,
      tail,
    };
  });

export const textOf = ({ head, rows, join, tail }: Whole) => `${head}${rows.join(join)}\n${tail}`;

/** Breaks the rows of a trace, and keeps its head. @returns the content of the file */
export type Break = (whole: Whole) => Buffer;

const share = fc.double({ min: 0, max: 1, noNaN: true });
const within = (length: number, at: number) => Math.min(length, Math.floor(at * (length + 1)));
const bytesOf = (whole: Whole) => Buffer.from(textOf(whole));
/** An offset in a file, after its head. @param at from 0 to 1 */
const placeIn = ({ head }: Whole, bytes: Buffer, at: number) => head.length + within(bytes.length - head.length, at);

const truncated = share.map<Break>((at) => (whole) => {
  const bytes = bytesOf(whole);
  return bytes.subarray(0, placeIn(whole, bytes, at));
});

const binary = fc.tuple(share, fc.uint8Array({ minLength: 1, maxLength: 200 })).map<Break>(([at, noise]) => (whole) => {
  const bytes = bytesOf(whole);
  const place = placeIn(whole, bytes, at);
  return Buffer.concat([bytes.subarray(0, place), noise, bytes.subarray(place)]);
});

/** Inserts a line that is longer than the longest row allowed, or a little shorter. */
const hugeLine = fc
  .tuple(
    share,
    fc.constantFrom('7', ',', ' ', '[', '"', '<a>', 'x', '{"a":'),
    fc.constantFrom(900_000, 1_100_000, 3_000_000),
  )
  .map<Break>(([at, unit, length]) => (whole) => {
    const rows = [...whole.rows];
    rows.splice(within(rows.length, at), 0, unit.repeat(length / unit.length));
    return bytesOf({ ...whole, rows });
  });

const wrongColumns = fc
  .tuple(share, fc.constantFrom(/[,; ]/, /[\d.]+/, /[":[\]{}<>]/), fc.constantFrom('', ',,', ';', 'x', '0x1', '-', '"'))
  .map<Break>(([at, what, by]) => (whole) => {
    const rows = [...whole.rows];
    const row = Math.min(rows.length - 1, within(rows.length, at));
    rows[row] = rows[row]!.replace(what, by);
    return bytesOf({ ...whole, rows });
  });

const mixedLineEnds = fc
  .array(fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\n \r\n'), { minLength: 1 })
  .map<Break>((ends) => (whole) => {
    const pieces = `${whole.rows.join(whole.join)}\n${whole.tail}`.split('\n');
    const text = pieces.reduce((text, piece, i) => `${text}${ends[i % ends.length]}${piece}`);
    return Buffer.from(whole.head + text);
  });

/** All ways in which files break. */
export const breaks: fc.Arbitrary<Break> = fc.oneof(
  { weight: 3, arbitrary: truncated },
  { weight: 3, arbitrary: binary },
  { weight: 1, arbitrary: hugeLine },
  { weight: 3, arbitrary: wrongColumns },
  { weight: 2, arbitrary: mixedLineEnds },
);
