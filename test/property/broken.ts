/** A rule that does not hold, by its number in "what must never break". */
export class Broken extends Error {
  constructor(rule: number, what: string) {
    super(`rule ${rule}: ${what}`);
  }
}

/** The key that comes most often, and how often. */
export function most(keys: readonly string[]): { key: string; n: number } {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts].reduce((a, [key, n]) => (n > a.n ? { key, n } : a), { key: '', n: 0 });
}
