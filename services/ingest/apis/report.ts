/** The common part of the location APIs of other standards: each body is read into positions, which are then validated. */
import Type, { type Static, type TObject, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { MAX_AT_MS } from '#shared/events/bounds.ts';
import { describeFault } from '#shared/events/index.ts';
import type { Presence } from '#shared/policy/state/presence.ts';
import { type FieldNames, locationCheck, refuseMany, unfit } from '../body.ts';
import type { Location } from '../locations.ts';

/** A position read from another API. */
export interface Reported {
  /** A body of `POST /v1/locations`; it is not checked yet. */
  readonly position: {
    readonly user: string;
    readonly lat: number;
    readonly lon: number;
    readonly atMs?: number;
    /** The presence that the API implies. */
    readonly presence?: Presence;
  };
  /** The part of the request that holds it, as in `element 2: `; empty where the request holds one position. */
  readonly where: string;
  /** The API's names of those members of the position that it names otherwise. Errors have these names. */
  readonly names: FieldNames;
}

/**
 * Makes the check of positions that other APIs report. An error names the field that the caller sent.
 * @param pseudonymous users become pseudonyms
 * @param most positions that one request may hold
 * @throws (the check) TagalongError EVENT_INVALID, QUOTA_EXCEEDED
 */
export function reportedReader(pseudonymous: boolean, most?: number) {
  const check = locationCheck(pseudonymous);
  return (reported: readonly Reported[], nowMs: number): Location[] => {
    refuseMany(reported.length, most);
    return reported.map(({ position, where, names }) => check(position, where, nowMs, names));
  };
}

/** The latest time of an event, in Unix seconds. */
export const MAX_AT_S = Math.floor(MAX_AT_MS / 1000);

/**
 * RFC 3339, with any offset, from 1971 on; `Date` reads all of them. Without an offset it is the time of this machine, as some
 * platforms send it.
 */
export const DateTime = Type.String({
  pattern:
    '^(19[7-9][1-9]|19[89]0|[2-8][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])' +
    '[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?$',
  maxLength: 64,
});

/**
 * Makes the function that validates a body. It ignores unknown members, because the standards add new ones.
 * @throws TagalongError EVENT_INVALID, names the first invalid field
 */
export function checker<T extends TObject>(schema: T): (body: unknown, where?: string) => Static<T> {
  const validator = Compile(schema as TSchema);
  return (body, where = '') => {
    if (!validator.Check(body)) throw unfit(`${where}${describeFault(validator, body)}`);
    return body as Static<T>;
  };
}

/** @throws TagalongError EVENT_INVALID */
export function msOf(time: string, where: string): number {
  const atMs = Date.parse(time);
  if (Number.isNaN(atMs)) throw unfit(`${where}: is not a date and time; send one as in RFC 3339`);
  return atMs;
}
