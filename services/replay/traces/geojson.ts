import { TagalongError } from '#shared/errors.ts';
import { filesOf, stem } from './files.ts';
import type { Fix } from './fix.ts';
import type { OpenFormat } from './formats.ts';
import { jsonValues } from './json-values.ts';
import { fieldOf, type Rows } from './row.ts';

/** The names of GeoJSON files. */
export const GEOJSON_FILE = /\.geojson(\.gz)?$/i;

/** The used members of a feature (RFC 7946). */
export interface Feature {
  readonly id: unknown;
  readonly properties: Readonly<Record<string, unknown>>;
  /** The type of its geometry; undefined without a geometry. */
  readonly type: unknown;
  readonly coordinates: unknown;
  readonly line: number;
}

/**
 * Yields the features of a FeatureCollection as a stream. A value that is not a feature has no geometry.
 * @throws TagalongError TRACE_UNREADABLE if there is no feature
 */
export async function* featuresIn(file: string): AsyncGenerator<readonly Feature[], void, void> {
  let some = false;
  for await (const values of jsonValues(file, '$.features.*')) {
    some = true;
    yield values.map(({ value, line }) => {
      const { id, properties, geometry } = recordOf(value);
      const { type, coordinates } = recordOf(geometry);
      return { id, properties: recordOf(properties), type, coordinates, line };
    });
  }
  if (some) return;
  throw new TagalongError(
    'TRACE_UNREADABLE',
    `${file}:1: the file has no features; give a FeatureCollection with features`,
  );
}

function recordOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/**
 * Reads GeoJSON with positions as [longitude, latitude]: Points with a property `time`, `t` or `timestamp`; LineStrings or
 * MultiLineStrings with `times` or `coordTimes`, one time for each point. The user is the property `user` or `name`, else the feature's
 * id, else the file's name. Each position is a row. Features with other geometries are counted as others.
 */
export const openGeojson: OpenFormat = async (path) => {
  const files = await filesOf(path, GEOJSON_FILE, 'files *.geojson');
  return async function* (rows) {
    for (const file of files) {
      for await (const features of featuresIn(file)) {
        const fixes = features.flatMap((feature) => fixesOf(feature, file, rows));
        if (fixes.length > 0) yield fixes;
      }
    }
  };
};

function fixesOf(feature: Feature, file: string, rows: Rows): Fix[] {
  const { id, properties, type, coordinates, line } = feature;
  const user = fieldOf(properties.user) ?? fieldOf(properties.name) ?? fieldOf(id) ?? stem(file);
  const read = (position: unknown, time: unknown) => {
    const [lon, lat] = Array.isArray(position) ? position : [];
    return rows.read({ user, t: fieldOf(time), lat: fieldOf(lat), lon: fieldOf(lon) }, file, line) ?? [];
  };
  const { time, t, timestamp, times, coordTimes } = properties;
  if (type === 'Point') return [read(coordinates, time ?? t ?? timestamp)].flat();
  const levels = { LineString: 0, MultiLineString: 1 }[String(type)];
  if (levels === undefined) {
    rows.other();
    return [];
  }
  const positions = listOf(coordinates, levels);
  const instants = listOf(times ?? coordTimes, levels);
  // A position without a time, or a time without a position, is a bad row.
  const length = Math.max(positions.length, instants.length, 1);
  return Array.from({ length }, (_, i) => read(positions[i], instants[i])).flat();
}

/** The values of a list, or of a list of lists. */
function listOf(value: unknown, levels: number): unknown[] {
  return Array.isArray(value) ? value.flat(levels) : [];
}
