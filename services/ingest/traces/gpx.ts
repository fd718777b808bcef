import sax from 'sax';
import { TagalongError } from '#shared/errors.ts';
import { filesOf, readText, stem } from './files.ts';
import type { RawRow, ReadRow } from './row.ts';
import type { Fix, OpenFormat } from './trace.ts';
import { mergeByTime, type Track, trackOf } from './tracks.ts';

export const GPX_FILE = /\.gpx(\.gz)?$/i;

/**
 * GPX 1.0 and 1.1, one file or a folder of them. Each `trk` is a user's, by its name, or the file's where it has none;
 * its `trkpt`s are the fixes. Waypoints and routes have no part in it: nobody was there at a time. Tracks are merged by
 * time, in memory.
 */
export const openGpx: OpenFormat = async (path) => {
  const files = await filesOf(path, GPX_FILE, 'files *.gpx');
  return async function* (read) {
    const tracks: Track[] = [];
    for (const file of files) tracks.push(...(await readTracks(file, read)));
    yield* mergeByTime(tracks);
  };
};

/** @throws TagalongError TRACE_UNREADABLE where it is not well-formed XML, or not GPX */
async function readTracks(file: string, read: ReadRow): Promise<Track[]> {
  const tracks: Track[] = [];
  const parser = gpxParser(file, (name, points) => {
    const user = name.trim() || stem(file);
    const fixes = points
      .map(({ line, ...point }) => read({ user, ...point }, file, line))
      .filter((fix): fix is Fix => fix !== undefined);
    tracks.push(trackOf(fixes[0]?.user ?? user, fixes));
  });
  for await (const text of readText(file)) parser.write(text);
  parser.close();
  return tracks;
}

type Point = Omit<RawRow, 'user'> & { readonly line: number };

/** A parser that hands over each track when it ends: its name may come behind its points. */
function gpxParser(file: string, onTrack: (name: string, points: readonly Point[]) => void): sax.SAXParser {
  const parser = sax.parser(true);
  // Prefixes are dropped and not resolved: many devices write some that they never declared.
  const path: string[] = [];
  let name = '';
  let points: Point[] = [];
  let point: { lat: string | undefined; lon: string | undefined; line: number } | undefined;
  let time: string | undefined;
  const inside = (parent: string, tag: string) => path.at(-1) === tag && path.at(-2) === parent;
  const fail = (what: string) => {
    return new TagalongError('TRACE_UNREADABLE', `${file}:${parser.line + 1}: ${what}, GPX 1.1 would be right`);
  };

  parser.onerror = (error) => {
    throw fail(`not well-formed XML (${error.message.split('\n')[0]})`);
  };
  parser.onopentag = (tag) => {
    path.push(local(tag.name));
    if (path.length === 1 && path[0] !== 'gpx') throw fail(`XML with the root <${tag.name}>`);
    if (path.at(-1) === 'trk') {
      name = '';
      points = [];
    }
    if (path.at(-1) === 'trkpt') {
      const { lat, lon } = tag.attributes as Record<string, string>;
      point = { lat, lon, line: parser.line + 1 };
      time = undefined;
    }
  };
  const text = (piece: string) => {
    if (inside('trkpt', 'time')) time = (time ?? '') + piece;
    if (inside('trk', 'name')) name += piece;
  };
  parser.ontext = text;
  parser.oncdata = text;
  parser.onclosetag = () => {
    const tag = path.pop();
    if (tag === 'trkpt' && point !== undefined) points.push({ ...point, t: time });
    if (tag === 'trk') onTrack(name, points);
  };
  return parser;
}

function local(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}
