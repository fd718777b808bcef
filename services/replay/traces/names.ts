/**
 * Adapts names from files to the event schema. Such a name begins with a letter or a digit, and has at most 128 characters: letters, digits
 * and `. _ : @ + -`.
 */
const LONGEST = 128;

/**
 * Replaces every other character by `-`, puts an `x` before a name that then does not begin with a letter or a digit, and cuts a name that
 * is too long. `Zoë Miller` becomes `Zo--Miller`, `_7` becomes `x_7`.
 */
export function fitName(text: string): string {
  const fit = text.replace(/[^A-Za-z0-9._:@+-]/gu, '-');
  return (/^[A-Za-z0-9]/.test(fit) ? fit : `x${fit}`).slice(0, LONGEST);
}

/**
 * Makes a {@link fitName} that keeps different names different. If the result is already taken by another name, it gets a suffix: `-2`, `-3`
 * and so on, in the order in which the names appear. Without this, two users with names in another script would look like one user who
 * jumps to and fro.
 */
export function userNames(): (text: string) => string {
  const known = new Map<string, string>();
  const taken = new Set<string>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    // A substring keeps the whole text that it comes from in memory, and names live long. Hence the copy.
    const copy = JSON.parse(JSON.stringify(text)) as string;
    let name = fitName(copy);
    for (let n = 2; taken.has(name); n++) {
      const suffix = `-${n}`;
      name = fitName(copy).slice(0, LONGEST - suffix.length) + suffix;
    }
    known.set(copy, name);
    taken.add(name);
    return name;
  };
}
