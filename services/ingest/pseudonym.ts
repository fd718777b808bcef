import { createHmac } from 'node:crypto';
import type { IngestConfig } from '#shared/config/schema.ts';
import { RecentMap } from '#shared/recent.ts';

/** The least number of cached pseudonyms: a user who reports every few seconds is seldom hashed again. */
const MIN_CACHED = 50_000;

/**
 * Makes the function that maps a user's id to the pseudonym that the bus carries: `u` and the first 16 hexadecimal
 * digits of HMAC-SHA256(key, user), the same in every process that has the key. Without a key, the id stays as it is.
 */
export function createPseudonyms(key: string | undefined): (user: string) => string {
  if (key === undefined) return (user) => user;
  const kept = new RecentMap<string>(MIN_CACHED);
  return (user) => {
    const known = kept.get(user);
    if (known !== undefined) return known;
    const pseudonym = pseudonymUnder(key, user);
    kept.set(user, pseudonym);
    return pseudonym;
  };
}

/** The pseudonyms under the former keys, during a change of keys. */
export interface FormerPseudonyms {
  /** The former pseudonyms of the user with this id. */
  ofUser(id: string): readonly string[];
  /** The former pseudonyms of a user whose id `ofUser` or `note` has seen; else none. */
  of(pseudonym: string): readonly string[];
  /** The present pseudonym for a former one that `ofUser` or `note` has seen; else the name itself. */
  presentOf(name: string): string;
  /** Learns the former pseudonyms of a user. */
  note(id: string): void;
}

const NONE: readonly string[] = [];
const NO_KEYS: FormerPseudonyms = { ofUser: () => NONE, of: () => NONE, presentOf: (name) => name, note() {} };

/** Makes the former pseudonyms. @param pseudonymOf the present pseudonym of a user */
export function createFormerPseudonyms(
  { formerPseudonymKeys: keys }: Pick<IngestConfig, 'formerPseudonymKeys'>,
  pseudonymOf: (user: string) => string,
): FormerPseudonyms {
  if (keys.length === 0) return NO_KEYS;
  const formerOf = new RecentMap<readonly string[]>(MIN_CACHED);
  const presentOf = new RecentMap<string>(MIN_CACHED);
  const ofUser = (id: string) => {
    const present = pseudonymOf(id);
    const known = formerOf.get(present);
    if (known !== undefined) return known;
    const former = keys.map((key) => pseudonymUnder(key, id)).filter((name) => name !== present);
    formerOf.set(present, former);
    for (const name of former) presentOf.set(name, present);
    return former;
  };
  return {
    ofUser,
    of: (pseudonym) => formerOf.get(pseudonym) ?? NONE,
    presentOf: (name) => presentOf.get(name) ?? name,
    note: (id) => void ofUser(id),
  };
}

function pseudonymUnder(key: string, user: string): string {
  return `u${createHmac('sha256', key).update(user).digest('hex').slice(0, 16)}`;
}
