import { isEcho, owntracksPresence } from '../../ingest/apis/owntracks.ts';
import { filesOf, peekText, stem } from './files.ts';
import type { Fix } from './fix.ts';
import type { OpenFormat } from './formats.ts';
import { type JsonValue, jsonValues } from './json-values.ts';
import { linesOf } from './lines.ts';
import { fieldOf, type Rows } from './row.ts';

/**
 * Reads messages of OwnTracks: one JSON object on each line, or a JSON array of objects. Positions have `_type` `location` or `transition`,
 * `lat`, `lon` and `tst` (Unix seconds); all other messages are counted as others. The user is the end of `topic`
 * (`owntracks/<user>/<device>`), else the tracker id `tid`, else the file's name.
 */
export const openOwntracks: OpenFormat = async (path) => {
  const files = await filesOf(path, /\.(json|ndjson|jsonl)(\.gz)?$/i, 'files *.json');
  return async function* (rows) {
    for (const file of files) {
      const values = (await peekText(file)).trimStart().startsWith('[') ? jsonValues(file, '$.*') : valuesByLine(file);
      for await (const some of values) {
        const fixes = some.map((value) => fixOf(value, file, rows)).filter((fix) => fix !== undefined);
        if (fixes.length > 0) yield fixes;
      }
    }
  };
};

/** Yields the value of each line; undefined for a line that is not JSON. No JSON value is undefined. */
async function* valuesByLine(file: string): AsyncGenerator<readonly JsonValue[], void, void> {
  for await (const { first, lines } of linesOf(file)) {
    yield lines.map((text, i) => ({ value: parsed(text), line: first + i })).filter((_, i) => lines[i]!.trim() !== '');
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fixOf({ value, line }: JsonValue, file: string, rows: Rows): Fix | undefined {
  if (typeof value !== 'object' || value === null) {
    rows.bad(file, line, 'the record is no JSON object; give one with _type');
    return undefined;
  }
  const { _type, topic, tid, tst, lat, lon } = value as Record<string, unknown>;
  const isPlaced = _type === 'location' || (_type === 'transition' && lat !== undefined);
  if (!isPlaced || isEcho(value)) {
    rows.other();
    return undefined;
  }
  // A transition's topic has one part more, `/event`.
  const user =
    fieldOf(topic)
      ?.replace(/\/event$/, '')
      .split('/')
      .slice(-2)
      .join('/') ??
    fieldOf(tid) ??
    stem(file);
  return rows.read(
    { user, t: fieldOf(tst), lat: fieldOf(lat), lon: fieldOf(lon), presence: owntracksPresence(value) },
    file,
    line,
  );
}
