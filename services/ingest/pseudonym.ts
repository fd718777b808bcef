import { createHmac } from 'node:crypto';
import { RecentMap } from '#shared/recent.ts';

/** How many pseudonyms are remembered at least, so that a user who reports every few seconds is seldom hashed. */
const MIN_KEPT = 50_000;

/**
 * Makes the function that gives users the names under which they appear on the bus: `u` and the first 16 hexadecimal
 * digits of HMAC-SHA256(key, user), the same in every process that has the key. Without a key users keep their ids.
 */
export function createPseudonyms(key: string | undefined): (user: string) => string {
  if (key === undefined) return (user) => user;
  const kept = new RecentMap<string>(MIN_KEPT);
  return (user) => {
    const known = kept.get(user);
    if (known !== undefined) return known;
    const pseudonym = `u${createHmac('sha256', key).update(user).digest('hex').slice(0, 16)}`;
    kept.set(user, pseudonym);
    return pseudonym;
  };
}
