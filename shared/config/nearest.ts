/** The known word that was most likely meant; undefined where none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_]/g, '');
  const distances = known.map((candidate) => editDistance(plain(word), plain(candidate)));
  const least = Math.min(...distances);
  return least <= Math.max(1, Math.floor(word.length / 3)) ? known[distances.indexOf(least)] : undefined;
}

/** What is wrong with the name of a site that nobody knows. @param known the names of those there are */
export function unknownSite(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  const right = near === undefined ? 'give the name of one of the sites' : `did you mean ${near}?`;
  return `there is no site "${name}"; ${right}`;
}

/** Insertions, deletions and replacements that turn one word into another (Levenshtein). */
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
