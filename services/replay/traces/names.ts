/**
 * Names from files, made fit for the event schema: they begin with a letter or a digit and hold letters, digits and
 * `. _ : @ + -` only, 128 characters at most.
 */
const LONGEST = 128;

/**
 * Every other character becomes `-`; a name that then does not begin with a letter or a digit gets an `x` in front;
 * what is too long is cut. `Zoë Miller` becomes `Zo--Miller`, `_7` becomes `x_7`.
 */
export function fitName(text: string): string {
  const fit = text.replace(/[^A-Za-z0-9._:@+-]/gu, '-');
  return (/^[A-Za-z0-9]/.test(fit) ? fit : `x${fit}`).slice(0, LONGEST);
}

/**
 * A {@link fitName} that keeps different names different: one that would become what another already is gets `-2`, `-3`
 * and so on behind it, in the order in which they appear. Without that two users written in another script would be
 * taken for one who leaps to and fro.
 */
export function userNames(): (text: string) => string {
  const known = new Map<string, string>();
  const taken = new Set<string>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    // A field cut out of a chunk of text keeps the whole chunk in memory as long as it lives, and these live long.
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
