/**
 * The shapes of stored records, by kind and version.
 *
 * A kind has the schema of the stored record, the version of that schema, and an upgrader from each older version. The version is stored
 * as the field `v`; a record without `v` has version 0. Reading a record that does not fit fails with STORE_RECORD_UNREADABLE: the
 * reader leaves that record unchanged and continues with the others.
 *
 * A changed schema needs a new version, an upgrader from the last one, and a golden file (test/contract/records).
 */
import Type, { type Static, type TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { TagalongError } from '../errors.ts';
import { describeFault } from '../events/codec.ts';

/** One kind of record. `read` and `write` are for records that contain their version as the field `v`. */
export interface RecordKind<T = unknown> {
  /** Its name in logs, metrics and golden files. */
  readonly kind: string;
  /** The pattern of its keys in the store, or of its file name. */
  readonly keys: string;
  /** The service that writes it. */
  readonly owner: string;
  readonly version: number;
  readonly schema: TSchema;
  /** True if the key names a person. Such a key is never logged. */
  readonly personal: boolean;
  /** Checks and upgrades a stored record. @throws TagalongError STORE_RECORD_UNREADABLE */
  read(stored: unknown): T;
  /** The record in its stored form. @throws TagalongError STORE_RECORD_UNREADABLE if `read` would refuse it */
  write(value: T): T & { readonly v: number };
  /**
   * Checks and upgrades a value whose version is stored elsewhere.
   * @throws TagalongError STORE_RECORD_UNREADABLE
   */
  upgrade(version: unknown, value: unknown): T;
  /** Describes why a value must not be stored; undefined if it fits. */
  faultIn(value: T): string | undefined;
}

/** Any kind, without the members that depend on the type of its values. */
export type AnyKind = Omit<RecordKind, 'write' | 'faultIn'>;

/** The declaration of a kind. */
export interface KindParts<S extends TSchema> {
  readonly kind: string;
  readonly keys: string;
  readonly owner: string;
  readonly version: number;
  readonly schema: S;
  readonly personal?: boolean;
  /**
   * For each older version, the function that converts a record to the next version. Its argument may have any shape. If it throws,
   * the record is unreadable.
   */
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
      if (fault !== undefined) throw unreadable(`it was not written, because nobody could read it again: ${fault}`);
      return { v: version, ...(value as object) } as T & { readonly v: number };
    },
  };
}

/** Reads a value that an outbox stores beside its events. @throws TagalongError STORE_RECORD_UNREADABLE */
export function valueBesideOutbox<T>({ upgrade }: Pick<RecordKind<T>, 'upgrade'>, stored: unknown): T {
  const { v = 0, value } = (stored ?? {}) as { readonly v?: unknown; readonly value?: unknown };
  return upgrade(v, value);
}

/** A fault without keys that others chose (users, sites): these are longer than our field names, or contain other characters. */
function withoutNames(fault: string): string {
  const [where, ...what] = fault.split(': ');
  const named = (part: string) => (/^[A-Za-z]{1,20}$|^\d{1,4}$/.test(part) ? part : '*');
  return [where!.split('.').map(named).join('.'), ...what].join(': ');
}

// The parts of stored shapes. They are separate from those of events: a schema of events may become stricter, but stored records remain.

/** Refuses members that the schema does not name. */
export const closed = { additionalProperties: false } as const;
/** The name of a VM, user, site, path or migration. */
export const Name = Type.String({ minLength: 1, maxLength: 1_024 });
/** A word or a sentence. */
export const Text = Type.String({ maxLength: 4_096 });
/** An instant, in milliseconds since the Unix epoch; -1 if there is none. A computed instant may be before the epoch. */
export const Ms = Type.Number({ minimum: -1e15, maximum: 1e15 });
/** A computed figure. It may be negative. */
export const Figure = Type.Number({ minimum: -1e18, maximum: 1e18 });
/** An amount: bytes, milliseconds, kilometres, bytes a second. */
export const Amount = Type.Number({ minimum: 0, maximum: 1e18 });
/** A count. */
export const Count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Degrees north. */
export const Lat = Type.Number({ minimum: -90, maximum: 90 });
/** Degrees east. */
export const Lon = Type.Number({ minimum: -180, maximum: 180 });
/** A value of this schema, or null. */
export const orNull = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()]);
/** One of these words. */
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

const StoredSites = Type.Optional(Type.Array(Name));
/** A VM's affinity to sites, and its relations to other VMs. */
export const StoredAffinity = Type.Object(
  {
    allowed: StoredSites,
    preferred: StoredSites,
    avoided: StoredSites,
    preferenceUserMsPerS: Amount,
    apart: Type.Optional(Name),
    group: Type.Optional(Type.Object({ lead: Name, apartUserMsPerS: Amount }, closed)),
  },
  closed,
);
