/** Reads and validates request bodies. A body is accepted as a whole or refused as a whole. */
import Type, { type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { Default } from 'typebox/value';
import { AffinityInput, VmSpecInput } from '#shared/config/vm-input.ts';
import { TagalongError } from '#shared/errors.ts';
import {
  describeFault,
  InterruptionReported,
  LocationReported,
  SessionAttached,
  VmDeclared,
} from '#shared/events/index.ts';
import { Lines } from '../runtime/http.ts';
import type { Interruption } from './interruptions.ts';
import type { Location } from './locations.ts';
import { MAX_POSITIONS_PER_REQUEST, quotaExceeded } from './quotas.ts';

const closed = { additionalProperties: false } as const;
const { rtts, atMs, user, presence } = LocationReported.properties;

const AnyUser = Type.String({ minLength: 1, maxLength: 256 });
/** The schema of a user's id: any text where it becomes a pseudonym, otherwise an id that is valid on the bus. */
export const userId = (pseudonymous: boolean): TSchema => (pseudonymous ? AnyUser : user);

/** One location of `POST /v1/locations`. `lat` and `lon` may be any numbers: ingest counts impossible positions as implausible. */
export const locationBody = (pseudonymous: boolean) =>
  Type.Object(
    {
      user: userId(pseudonymous) as typeof user,
      lat: Type.Number(),
      lon: Type.Number(),
      atMs: Type.Optional(atMs),
      /** Unix time in seconds, as an alternative to `atMs`. */
      t: Type.Optional(Type.Number({ minimum: 0, maximum: 8_640_000_000_000 })),
      rtts,
      /** The meaning of silence after it; see `location.reported.v1`. */
      presence,
    },
    closed,
  );
type SentLocation = Static<ReturnType<typeof locationBody>>;

/** The sender's name for each member of a location that has another name there, as in `data.area.center.latitude`. */
export type FieldNames = Readonly<Partial<Record<keyof SentLocation, string>>>;

/** Reads one object, an array of objects, or lines with one JSON object each. */
type ListReader<T> = (body: unknown, nowMs: number) => T[];

/** Makes the reader of location bodies. @param pseudonymous users become pseudonyms */
export function locationReader(pseudonymous: boolean): ListReader<Location> {
  return listReader(locationCheck(pseudonymous));
}

/**
 * Makes the function that validates one location. An error names the field as `names` does, so that the sender finds it.
 * @param pseudonymous users become pseudonyms
 */
export function locationCheck(pseudonymous: boolean) {
  const validator = Compile(locationBody(pseudonymous) as TSchema);
  return (value: unknown, where: string, nowMs: number, names?: FieldNames): Location => {
    if (!validator.Check(value)) {
      const fault = describeFault(validator, value);
      // A fault begins with the field.
      throw unfit(
        `${where}${names ? fault.replace(/^\w+/, (field) => names[field as keyof FieldNames] ?? field) : fault}`,
      );
    }
    const { atMs, t, ...rest } = value as SentLocation;
    if (atMs !== undefined && t !== undefined) throw unfit(`${where}t: give atMs or t, not both`);
    return { ...rest, atMs: atMs ?? (t === undefined ? nowMs : Math.round(t * 1000)) };
  };
}

const gap = InterruptionReported.properties;
/** One gap of `POST /v1/interruptions`. */
export const interruptionBody = (pseudonymous: boolean) =>
  Type.Object(
    {
      ...gap,
      user: userId(pseudonymous) as typeof gap.user,
      atMs: Type.Optional(gap.atMs),
      resets: Type.Optional(gap.resets),
      lostBytes: Type.Optional(gap.lostBytes),
    },
    closed,
  );
type SentInterruption = Static<ReturnType<typeof interruptionBody>>;

/** Makes the reader of interruption bodies. @param pseudonymous users become pseudonyms */
export function interruptionReader(pseudonymous: boolean): ListReader<Interruption> {
  const validator = Compile(interruptionBody(pseudonymous) as TSchema);
  return listReader((value, where, nowMs) => {
    if (!validator.Check(value)) throw unfit(`${where}${describeFault(validator, value)}`);
    return { resets: 0, lostBytes: 0, atMs: Math.round(nowMs), ...(value as SentInterruption) };
  });
}

/** @throws TagalongError QUOTA_EXCEEDED where a request holds more elements than it may */
export function refuseMany(many: number, most = MAX_POSITIONS_PER_REQUEST): void {
  if (many > most) throw quotaExceeded(`elements of a request (${many})`, most, 'send several requests');
}

function listReader<T>(read: (value: unknown, where: string, nowMs: number) => T): ListReader<T> {
  return (body, nowMs) => {
    if (body instanceof Lines) {
      const lines = body.text.split('\n').map((text, i) => ({ text, where: `line ${i + 1}: ` }));
      const filled = lines.filter(({ text }) => text.trim() !== '');
      refuseMany(filled.length);
      return filled.map(({ text, where }) => read(parseJson(text, where), where, nowMs));
    }
    if (Array.isArray(body)) {
      refuseMany(body.length);
      return body.map((value, i) => read(value, `element ${i + 1}: `, nowMs));
    }
    return [read(body, '', nowMs)];
  };
}

/** The body of `PUT /v1/vms/:vm`. */
export const VmBody = Type.Object(
  { home: VmDeclared.properties.home, spec: VmSpecInput, affinity: Type.Optional(AffinityInput) },
  closed,
);
/** The body of `PUT /v1/vms/:vm/sessions/:user`. */
export const SessionBody = Type.Object({ weight: Type.Optional(SessionAttached.properties.weight) }, closed);

/** Reads the body that declares a VM; missing figures get their defaults. @throws TagalongError EVENT_INVALID */
export const readVm = bodyReader(VmBody);
/** Reads the body that attaches a user. @throws TagalongError EVENT_INVALID */
export const readSession = bodyReader(SessionBody);

/** Makes the function that validates a user's id in a path; that function throws TagalongError EVENT_INVALID. */
export function userReader(pseudonymous: boolean): (user: string) => string {
  const validator = Compile(Type.Object({ user: userId(pseudonymous) }) as TSchema);
  return (user) => {
    if (!validator.Check({ user })) throw unfit(describeFault(validator, { user }));
    return user;
  };
}

/** Makes the reader of one kind of body. It fills in defaults, and throws TagalongError EVENT_INVALID for an invalid body. */
export function bodyReader<T extends TSchema>(schema: T): (body: unknown) => Static<T> {
  const validator = Compile(schema as TSchema);
  return (body) => {
    const value = Default(schema, body);
    if (!validator.Check(value)) throw unfit(describeFault(validator, value));
    return value as Static<T>;
  };
}

/** @throws TagalongError EVENT_INVALID */
export function parseJson(text: string, where = ''): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw unfit(`${where || 'the body '}is not JSON (${(cause as Error).message})`);
  }
}

/** The error for an invalid body. @param what the field, and a valid value for it */
export function unfit(what: string): TagalongError {
  return new TagalongError('EVENT_INVALID', what);
}
