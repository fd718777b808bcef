/**
 * Makes the function that tells whether an id is new. It remembers at least the last `count` ids, at most twice as
 * many; unlike the bus's own first line against repeats it never misses one of those, because a total that counts an
 * event twice stays wrong.
 */
export function recentIds(count: number): (id: string) => boolean {
  let young = new Set<string>();
  let old = new Set<string>();
  return (id) => {
    if (young.has(id) || old.has(id)) return false;
    if (young.size >= count) {
      old = young;
      young = new Set();
    }
    young.add(id);
    return true;
  };
}
