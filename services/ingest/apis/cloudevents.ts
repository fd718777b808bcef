/**
 * CloudEvents 1.0 over HTTP, in the structured, batched and binary mode (cloudevents.io, HTTP protocol binding 1.0.2).
 */
import Type from 'typebox';
import { unfit } from '../body.ts';
import { isGeofencing, readGeofencing } from './camara.ts';
import { checker, DateTime, msOf, type Reported } from './report.ts';

/** The type of an event with a user's position; its data are a body of `POST /v1/locations`. */
const LOCATION_TYPE = 'location.reported.v1';

/** The attributes that are read of every event. */
export const AnyCloudEvent = Type.Object({
  specversion: Type.Literal('1.0'),
  id: Type.String({ minLength: 1, maxLength: 2048 }),
  source: Type.String({ minLength: 1, maxLength: 2048 }),
  type: Type.String({ minLength: 1, maxLength: 512 }),
  time: Type.Optional(DateTime),
});

const check = checker(AnyCloudEvent);

const DATA_NAMES = {
  user: 'data.user',
  lat: 'data.lat',
  lon: 'data.lon',
  atMs: 'data.atMs',
  t: 'data.t',
  rtts: 'data.rtts',
};
const TIMED_NAMES = { ...DATA_NAMES, atMs: 'time' };

/**
 * Reads the positions of one event or of a batch. `time` is the default time of a position.
 * @throws TagalongError EVENT_INVALID, also for a type that carries no position
 */
export function readCloudEvents(body: unknown): Reported[] {
  const events = Array.isArray(body) ? body : [body];
  return events.flatMap((event, i) => readOne(event, Array.isArray(body) ? `element ${i + 1}: ` : ''));
}

/** Builds an event of the binary mode from its headers, which hold the attributes, and its data. */
export function fromBinary(headers: Readonly<Record<string, string | string[] | undefined>>, data: unknown): object {
  const attributes = Object.entries(headers)
    .filter(([name]) => name.startsWith('ce-'))
    .map(([name, value]) => [name.slice('ce-'.length), decoded(String(value))]);
  return { ...Object.fromEntries(attributes), data };
}

function readOne(event: unknown, where: string): Reported[] {
  const { type, time } = check(event, where);
  if (isGeofencing(type)) return readGeofencing({ ...(event as object), type }, where);
  if (type !== LOCATION_TYPE) {
    throw unfit(`${where}type: ${JSON.stringify(type)} is not the type of a location; use ${LOCATION_TYPE}`);
  }
  const { data } = event as { readonly data?: unknown };
  if (typeof data !== 'object' || data === null) throw unfit(`${where}data: is not an object; send a location`);
  const keepsTime = 'atMs' in data || 't' in data || time === undefined;
  const own = data as Reported['position'];
  if (keepsTime) return [{ position: own, where, names: DATA_NAMES }];
  return [{ position: { ...own, atMs: msOf(time, `${where}time`) }, where, names: TIMED_NAMES }];
}

/** Header values are percent-encoded. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
