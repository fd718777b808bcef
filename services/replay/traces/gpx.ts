import { filesOf, stem } from './files.ts';
import type { Fix } from './fix.ts';
import type { OpenFormat } from './formats.ts';
import type { RawRow, Rows } from './row.ts';
import { readXml } from './xml.ts';

/** The names of GPX files. */
export const GPX_FILE = /\.gpx(\.gz)?$/i;

/**
 * Reads GPX 1.0 and 1.1, one file or a folder of files. Each `trk` belongs to a user: its name, which both schemas put before its points,
 * or the file's name. Its `trkpt`s are the fixes. Waypoints and routes are ignored, because they are not recorded positions.
 */
export const openGpx: OpenFormat = async (path) => {
  const files = await filesOf(path, GPX_FILE, 'files *.gpx');
  return async function* (rows) {
    for (const file of files) yield* fixesIn(file, rows);
  };
};

/** Names and times are cut at this length. */
const LONGEST_TEXT = 2000;

async function* fixesIn(file: string, rows: Rows): AsyncGenerator<readonly Fix[], void, void> {
  let fixes: Fix[] = [];
  let name = '';
  let point: { lat: string | undefined; lon: string | undefined; t: string | undefined; line: number } | undefined;
  const pieces = readXml(
    file,
    { root: 'gpx', wanted: 'GPX 1.1' },
    {
      open(path, { lat, lon }, line) {
        if (path.at(-1) === 'trk') name = '';
        if (path.at(-1) === 'trkpt') point = { lat, lon, t: undefined, line };
      },
      text(path, piece) {
        if (point !== undefined && isIn('trkpt', 'time', path)) point.t = longer(point.t ?? '', piece);
        if (isIn('trk', 'name', path)) name = longer(name, piece);
      },
      close(path) {
        if (path.at(-1) !== 'trkpt' || point === undefined) return;
        const { line, ...place } = point;
        const row: RawRow = { user: name.trim() || stem(file), ...place };
        const fix = rows.read(row, file, line);
        if (fix !== undefined) fixes.push(fix);
        point = undefined;
      },
    },
  );
  for await (const _ of pieces) {
    if (fixes.length > 0) yield fixes;
    fixes = [];
  }
}

function isIn(parent: string, element: string, path: readonly string[]): boolean {
  return path.at(-1) === element && path.at(-2) === parent;
}

function longer(text: string, piece: string): string {
  return text.length > LONGEST_TEXT ? text : text + piece;
}
