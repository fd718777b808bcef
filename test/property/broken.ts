/** Reports a broken rule by its number in the README's table of rules. */
export class RuleBroken extends Error {
  constructor(rule: number, what: string) {
    super(`rule ${rule}: ${what}`);
  }
}

/** The most frequent key, and its number of occurrences; 0 without keys. */
export function mostFrequent(keys: readonly string[]): { key: string; n: number } {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts].reduce((a, [key, n]) => (n > a.n ? { key, n } : a), { key: '', n: 0 });
}
