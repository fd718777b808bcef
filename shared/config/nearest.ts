/** A shorter word begins too many others. */
const SHORTEST_PREFIX = 3;

/** The known word that `word` begins, if there is one; else the most similar word; undefined if none is similar enough. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_]/g, '');
  const begun = known.find((candidate) => plain(candidate).startsWith(plain(word)));
  if (begun !== undefined && plain(word).length >= SHORTEST_PREFIX) return begun;
  const distances = known.map((candidate) => editDistance(plain(word), plain(candidate)));
  const least = Math.min(...distances);
  return least <= Math.max(1, Math.floor(word.length / 3)) ? known[distances.indexOf(least)] : undefined;
}

/** The message about an unknown site name. @param known the names of all sites */
export function unknownSite(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  const right = near === undefined ? 'give the name of one of the sites' : `did you mean ${near}?`;
  return `there is no site "${name}"; ${right}`;
}

/** The number of insertions, deletions and replacements that turn one word into another (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
