/** The kinds of values in the configuration, with their bounds: amounts, times, counts, shares, files and secrets. */
import Type, { type TProperties } from 'typebox';

/** Refuses keys that the schema does not name. */
export const closed = { additionalProperties: false } as const;

/** Ten years. No useful wait, age or pause is longer. */
const TEN_YEARS_MS = 315_576_000_000;

/** A section of the configuration. A file that omits it gets all its defaults. */
export const section = <P extends TProperties>(properties: P) => Type.Object(properties, { ...closed, default: {} });
/** A number from 0 to `maximum`. */
export const amount = (value: number, maximum: number) => Type.Number({ minimum: 0, maximum, default: value });
/** A time in ms, from 0. */
export const pause = (value: number) => amount(value, TEN_YEARS_MS);
/** A time in ms, from 1: a wait for less than a millisecond is no wait. */
export const time = (value: number) => Type.Number({ minimum: 1, maximum: TEN_YEARS_MS, default: value });
/** A whole number, from 1. */
export const count = (value: number, maximum = 1_000_000) => Type.Integer({ minimum: 1, maximum, default: value });
/** A share: more than 0 and at most 1. */
export const share = (value: number) => Type.Number({ minimum: 0.000001, maximum: 1, default: value });
/**
 * A token or key: its text, `{ file: PATH }` or `{ env: NAME }` (`secrets.ts`). `writeOnly` keeps the value out of error messages.
 */
export const Secret = Type.Optional(Type.String({ minLength: 16, maxLength: 512, writeOnly: true }));
/** The path of a file. */
export const File = Type.String({ minLength: 1, maxLength: 4096 });
