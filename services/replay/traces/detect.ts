import { basename } from 'node:path';
import { TagalongError } from '#shared/errors.ts';
import { CABSPOTTING_FILE, CABSPOTTING_LINE } from './cabspotting.ts';
import { namesIn, peekText } from './files.ts';
import type { TraceFormat } from './formats.ts';
import { GEOJSON_FILE } from './geojson.ts';
import { GEOLIFE_FILE, GEOLIFE_LINE } from './geolife.ts';
import { GPX_FILE } from './gpx.ts';
import { ROME_LINE } from './rome.ts';
import { shortened } from './row.ts';
import { TDRIVE_FILE, TDRIVE_LINE } from './tdrive.ts';

const KNOWN =
  'give csv (a header with user,t,lat,lon), events (CloudEvents, one a line), cabspotting (new_<cab>.txt), gpx (*.gpx), geolife (*.plt), tdrive (<taxi>.txt), porto (CSV with POLYLINE), rome (taxi;time;POINT(lat lon)), sumo-fcd (XML), owntracks (JSON) or geojson, each also gzipped, or name the format with --format';

/** The formats that may be folders, by the names of their files. */
const FOLDERS: readonly (readonly [TraceFormat, RegExp])[] = [
  ['cabspotting', CABSPOTTING_FILE],
  ['gpx', GPX_FILE],
  ['geolife', GEOLIFE_FILE],
  ['tdrive', TDRIVE_FILE],
  ['geojson', GEOJSON_FILE],
];

/** The formats with one row on each line, by their first line. CSV comes last, because lines of other formats contain commas, too. */
const LINES: readonly (readonly [TraceFormat, RegExp])[] = [
  ['cabspotting', CABSPOTTING_LINE],
  ['geolife', GEOLIFE_LINE],
  ['tdrive', TDRIVE_LINE],
  ['rome', ROME_LINE],
  ['porto', /^(?=.*TIMESTAMP).*POLYLINE/],
  ['csv', /,/],
];

const ROOTS: Readonly<Record<string, TraceFormat>> = { gpx: 'gpx', 'fcd-export': 'sumo-fcd' };

/** The formats in JSON, by a member that each file has. */
const MEMBERS: readonly (readonly [TraceFormat, RegExp])[] = [
  ['geojson', /"type"\s*:\s*"FeatureCollection"|"features"\s*:\s*\[/],
  ['events', /"specversion"\s*:/],
  ['owntracks', /"_type"\s*:/],
];

/**
 * Detects the format of a trace by its content.
 * @throws TagalongError TRACE_UNREADABLE, which names what was found and all formats
 */
export async function detectFormat(path: string): Promise<TraceFormat> {
  const names = await namesIn(path);
  return names === undefined ? formatOfText(path, await peekText(path)) : formatOfFolder(path, names);
}

function formatOfFolder(path: string, names: readonly string[]): TraceFormat {
  const found = FOLDERS.map(([format, file]) => ({
    format,
    files: names.filter((name) => file.test(basename(name))).length,
  })).filter(({ files }) => files > 0);
  if (found.length === 1) return found[0]!.format;
  if (found.length === 0) throw unknown(path, `a folder of ${names.length} other files`);
  throw unknown(path, `files of ${found.map(({ format, files }) => `${format} (${files})`).join(' and ')}`);
}

function formatOfText(path: string, text: string): TraceFormat {
  if (text === '') throw unknown(path, 'an empty file');
  if (text.includes('\0')) throw unknown(path, 'binary data');
  const begin = text.trimStart();
  if (begin.startsWith('<')) return formatOfXml(path, begin);
  if (begin.startsWith('{') || begin.startsWith('[')) {
    const format = MEMBERS.find(([, member]) => member.test(begin))?.[0];
    if (format !== undefined) return format;
    throw unknown(path, `JSON ${JSON.stringify(shortened(begin))}`);
  }
  const line = text.slice(0, text.search(/\r?\n|$/));
  const format = LINES.find(([, like]) => like.test(line))?.[0];
  if (format !== undefined) return format;
  throw unknown(path, `a first line ${JSON.stringify(shortened(line))}`);
}

function formatOfXml(path: string, text: string): TraceFormat {
  const root = /<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)/.exec(text.replaceAll(/<!--[\s\S]*?(-->|$)/g, ''))?.[1] ?? '';
  const format = Object.hasOwn(ROOTS, root) ? ROOTS[root] : undefined;
  if (format !== undefined) return format;
  throw unknown(path, `XML with the root <${shortened(root)}>`);
}

function unknown(path: string, found: string): TagalongError {
  return new TagalongError('TRACE_UNREADABLE', `${path}: the format is not known (found ${found}); ${KNOWN}`);
}
