/**
 * The tokens that Tagalong issues. A token is `tgl_<id>_<secret>`, so that people and scanners recognise it. The secret is 256 random
 * bits. The store has the hash of the token only.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import Type, { type Static } from 'typebox';
import type { Clock } from '#shared/clock/clock.ts';
import { TagalongError } from '#shared/errors.ts';
import { RecentMap } from '#shared/recent.ts';
import { ROLES, type Role } from '#shared/roles.ts';
import { closed, Ms, Name, oneOf, orNull, recordKind } from '#shared/store/records.ts';
import type { Store } from '#shared/store/store.ts';
import { eraseRecords, getRecord, isUnreadable, listRecords, updateRecord } from '#shared/store/update.ts';
import { tokenIdIn } from '#shared/token-text.ts';

/** The keys of these records begin with it. */
export const TOKENS = 'token/';

const StoredToken = Type.Object(
  {
    /** SHA-256 of the whole token, in hexadecimal digits. */
    hash: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    role: oneOf(ROLES),
    /** The user for whom a device speaks, as the bus names users; null for the other roles. */
    user: orNull(Name),
    /** The name of the caller who had it issued. */
    by: Name,
    createdAtMs: Ms,
    expiresAtMs: Ms,
  },
  closed,
);
type StoredToken = Static<typeof StoredToken>;

/** The kind of these records. */
export const TOKEN_RECORD = recordKind({
  kind: 'token',
  keys: `${TOKENS}<id>`,
  owner: 'all',
  // Older programs issued no tokens.
  version: 0,
  schema: StoredToken,
  upgrade: {},
});

/** An issued token, without its secret. */
export type IssuedToken = Omit<StoredToken, 'hash'> & { readonly id: string };

/** Issues, lists, revokes and recognises tokens. */
export interface Tokens {
  /** @returns the token itself, which nobody can read again, and its record. @throws TagalongError of the store */
  create(
    parts: Pick<StoredToken, 'role' | 'user' | 'by'> & { readonly expiresInMs: number },
  ): Promise<IssuedToken & { readonly token: string }>;
  /** All tokens, the oldest first, including those that have expired. @throws TagalongError of the store */
  list(): Promise<IssuedToken[]>;
  /**
   * Every process refuses the token within {@link FRESH_MS}.
   * @param shown its id, or the token itself
   * @throws TagalongError TOKEN_UNKNOWN; of the store
   */
  revoke(shown: string): Promise<void>;
  /** Moves the device tokens of a user to another name of the same user. @throws TagalongError of the store */
  move(from: string, to: string): Promise<void>;
  /** Deletes the device tokens of users for ever. @returns their number. @throws TagalongError of the store */
  erase(users: readonly string[]): Promise<number>;
  /** The record of a valid token; undefined for any other text. @throws TagalongError STORE_UNREACHABLE */
  recognise(shown: string): Promise<IssuedToken | undefined>;
}

/** The age at which a process reads the record of a token again. */
export const FRESH_MS = 2_000;
/** The least number of tokens in the cache. */
const MIN_CACHED = 10_000;
/** The form of all tokens. */
export const TOKEN = /^tgl_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/;

/** Makes the tokens of an installation. All processes with the same store know the same tokens. */
export function createTokens(store: Store, clock: Pick<Clock, 'now'>): Tokens {
  const kept = new RecentMap<{ readonly untilMs: number; readonly record: StoredToken | undefined }>(MIN_CACHED);

  const recordOf = async (id: string): Promise<StoredToken | undefined> => {
    const known = kept.get(id);
    if (known !== undefined && clock.now() < known.untilMs) return known.record;
    const untilMs = clock.now() + FRESH_MS;
    const record = await getRecord(store, TOKEN_RECORD, TOKENS + id).catch((error) => {
      // Nobody can vouch for a token whose record cannot be read.
      if (!isUnreadable(error)) throw error;
      return undefined;
    });
    kept.set(id, { untilMs, record: record?.value });
    return record?.value;
  };

  return {
    async create(parts) {
      const id = randomBytes(8).toString('hex');
      const token = `tgl_${id}_${randomBytes(32).toString('base64url')}`;
      const { role, user, by, expiresInMs } = parts;
      const createdAtMs = Math.round(clock.now());
      const value = { role, user, by, createdAtMs, expiresAtMs: createdAtMs + expiresInMs };
      await updateRecord(store, TOKEN_RECORD, TOKENS + id, () => ({
        value: { hash: hashOf(token).toString('hex'), ...value },
      }));
      return { id, token, ...value };
    },
    async list() {
      const all = await listRecords(store, TOKEN_RECORD, TOKENS);
      return all
        .map(({ key, value: { hash: _, ...rest } }) => ({ id: key.slice(TOKENS.length), ...rest }))
        .sort((a, b) => a.createdAtMs - b.createdAtMs);
    },
    async revoke(shown) {
      const id = tokenIdIn(shown);
      await updateRecord(store, TOKEN_RECORD, TOKENS + id, (present) => {
        if (present === undefined) {
          throw new TagalongError('TOKEN_UNKNOWN', `no token has the id ${id}; "tagalong token list" lists all`);
        }
        return { value: undefined };
      });
      kept.delete(id);
    },
    async move(from, to) {
      for (const { key, value } of await listRecords(store, TOKEN_RECORD, TOKENS)) {
        if (value.user !== from) continue;
        await updateRecord(store, TOKEN_RECORD, key, (present) =>
          present?.user === from ? { value: { ...present, user: to } } : undefined,
        );
        kept.delete(key.slice(TOKENS.length));
      }
    },
    async erase(users) {
      const all = await listRecords(store, TOKEN_RECORD, TOKENS);
      const theirs = all.filter(({ value: { user } }) => user !== null && users.includes(user));
      await eraseRecords(store, theirs);
      for (const { key } of theirs) kept.delete(key.slice(TOKENS.length));
      return theirs.length;
    },
    async recognise(shown) {
      const [, id] = TOKEN.exec(shown) ?? [];
      const record = id === undefined ? undefined : await recordOf(id);
      if (record === undefined || !timingSafeEqual(hashOf(shown), Buffer.from(record.hash, 'hex'))) return undefined;
      const { hash: _, ...rest } = record;
      return rest.expiresAtMs > clock.now() ? { id: id!, ...rest } : undefined;
    },
  };
}

/** True if the role of a token needs a user, and has one, or needs none, and has none. */
export function isFitUser(role: Role, user: string | undefined): boolean {
  return (role === 'device') === (user !== undefined);
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
