/**
 * What a stored record looks like, by kind and version.
 *
 * A kind has a schema, which is the shape that is stored and nothing else; a number that says which shape it is; and an
 * upgrader from each older one. The version lies beside the fields as `v`; a record without it is of version 0. A record
 * that cannot be read is refused with STORE_RECORD_UNREADABLE: its reader leaves it as it is and goes on with the others.
 *
 * A changed schema needs a new version, an upgrader from the last one, and a golden file (test/contract/records).
 */
import Type, { type Static, type TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { TagalongError } from '../errors.ts';
import { describeFault } from '../events/codec.ts';

/** One kind of record. `read` and `write` are for records that have their version beside their fields. */
export interface RecordKind<T = unknown> {
  /** Its name in logs, metrics and golden files. */
  readonly kind: string;
  /** Where it lies: the pattern of its keys, or of its file. */
  readonly keys: string;
  /** The service that writes it. */
  readonly owner: string;
  readonly version: number;
  readonly schema: TSchema;
  /** True: the key names a person, and is not logged. */
  readonly personal: boolean;
  /** @throws TagalongError STORE_RECORD_UNREADABLE */
  read(stored: unknown): T;
  /** The record as it is to be stored. @throws TagalongError STORE_RECORD_UNREADABLE where nobody could read it again */
  write(value: T): T & { readonly v: number };
  /**
   * A value that lies apart from its version, as it is now.
   * @throws TagalongError STORE_RECORD_UNREADABLE
   */
  upgrade(version: unknown, value: unknown): T;
  /** What is wrong with a value that is to be stored; undefined: nothing. */
  faultIn(value: T): string | undefined;
}

/** A kind of whatever: what can be said of all of them. */
export type AnyKind = Omit<RecordKind, 'write' | 'faultIn'>;

/** What a kind is made of. */
export interface KindParts<S extends TSchema> {
  readonly kind: string;
  readonly keys: string;
  readonly owner: string;
  readonly version: number;
  readonly schema: S;
  readonly personal?: boolean;
  /** From each older version to the one after it. What they are given may have any shape; what they throw is caught. */
  // biome-ignore lint/suspicious/noExplicitAny: an old record has a shape that no type describes any more.
  readonly upgrade: Readonly<Record<number, (old: any) => unknown>>;
}

/** Declares a kind. */
export function recordKind<S extends TSchema>(parts: KindParts<S>): RecordKind<Static<S>> {
  type T = Static<S>;
  const { kind, version, schema, personal = false } = parts;
  let compiled: Validator | undefined;
  const fits = () => (compiled ??= Compile(schema as TSchema));
  const unreadable = (why: string, cause?: unknown) =>
    new TagalongError('STORE_RECORD_UNREADABLE', `a record of kind "${kind}" cannot be read: ${why}`, { cause });

  const faultIn = (value: unknown) => {
    const validator = fits();
    return validator.Check(value) ? undefined : withoutNames(describeFault(validator, value));
  };
  const upgrade = (from: unknown, value: unknown): T => {
    if (!Number.isInteger(from) || (from as number) < 0 || (from as number) > version) {
      throw unreadable(`it has version ${String(from)}, and this program knows 0 to ${version}`);
    }
    let upgraded = value;
    for (let v = from as number; v < version; v++) {
      try {
        upgraded = parts.upgrade[v]!(upgraded);
      } catch (cause) {
        throw unreadable(`it cannot be upgraded from version ${v}`, cause);
      }
    }
    const fault = faultIn(upgraded);
    if (fault !== undefined) throw unreadable(fault);
    return upgraded as T;
  };
  return {
    ...{ kind, keys: parts.keys, owner: parts.owner, version, schema, personal, upgrade, faultIn },
    read(stored) {
      if (typeof stored !== 'object' || stored === null || Array.isArray(stored)) throw unreadable('it is no object');
      const { v = 0, ...value } = stored as { v?: unknown };
      return upgrade(v, value);
    },
    write(value) {
      const fault = faultIn(value);
      if (fault !== undefined) throw unreadable(`it would be written so that nobody could read it again: ${fault}`);
      return { v: version, ...(value as object) } as T & { readonly v: number };
    },
  };
}

/** A fault names fields. Keys that came from elsewhere (users, sites) are longer than any of ours, or have other letters. */
function withoutNames(fault: string): string {
  const [where, ...what] = fault.split(': ');
  const named = (part: string) => (/^[A-Za-z]{1,20}$|^\d{1,4}$/.test(part) ? part : '*');
  return [where!.split('.').map(named).join('.'), ...what].join(': ');
}

// What stored shapes are made of. Not the schemas of events: those may become stricter, and a record stays what it is.

/** Members are all declared; what is not is a fault. */
export const closed = { additionalProperties: false } as const;
/** Of a VM, user, site, path or migration. */
export const Name = Type.String({ minLength: 1, maxLength: 1_024 });
/** A word or a sentence of ours. */
export const Text = Type.String({ maxLength: 4_096 });
/** An instant, in milliseconds since the Unix epoch; -1 where there is none. One that was worked out may lie before that. */
export const Ms = Type.Number({ minimum: -1e15, maximum: 1e15 });
/** A figure that was worked out and may be negative. */
export const Figure = Type.Number({ minimum: -1e18, maximum: 1e18 });
/** An amount of something: bytes, milliseconds, kilometres, bytes a second. */
export const Amount = Type.Number({ minimum: 0, maximum: 1e18 });
/** A number of things. */
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Degrees north. */
export const Lat = Type.Number({ minimum: -90, maximum: 90 });
/** Degrees east. */
export const Lon = Type.Number({ minimum: -180, maximum: 180 });
/** The same, or nothing. */
export const orNull = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);
/** One of some words. */
export const oneOf = <const W extends readonly string[]>(words: W) => Type.Unsafe<W[number]>({ enum: [...words] });

/** A VM's figures. */
export const StoredSpec = Type.Object(
  {
    ramBytes: Amount,
    dirtyRateBps: Amount,
    workingSetBytes: Amount,
    diskBytes: Amount,
    downtimeLimitMs: Amount,
    targetRttMs: Amount,
  },
  closed,
);
