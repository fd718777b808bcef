import { createHmac } from 'node:crypto';
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
    const pseudonym = `u${createHmac('sha256', key).update(user).digest('hex').slice(0, 16)}`;
    kept.set(user, pseudonym);
    return pseudonym;
  };
}
