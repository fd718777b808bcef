/** Names of VMs by that of their set, or of their lead. Of each, only the first ones count: one change must not evaluate thousands. */

const NO_NAMES: readonly string[] = [];

/** Sets of names. Which names count depends on the names alone, not on the order in which they are added. */
export class RelatedNames {
  readonly #most: number;
  /** In order of names. */
  readonly #sets = new Map<string, string[]>();

  /** @param most how many names of each set count */
  constructor(most: number) {
    this.#most = most;
  }

  /** The names of a set that count, in their order. */
  of(set: string): readonly string[] {
    const names = this.#sets.get(set) ?? NO_NAMES;
    return names.length > this.#most ? names.slice(0, this.#most) : names;
  }

  /** True if a name of the set counts. */
  counts(set: string, name: string): boolean {
    const last = this.#sets.get(set)?.[this.#most - 1];
    return last === undefined || name <= last;
  }

  /** Adds a name to a set; undefined: to none. @returns the name that no longer counts because of it */
  add(set: string | undefined, name: string): string | undefined {
    if (set === undefined) return undefined;
    const names = this.#sets.get(set) ?? [];
    this.#sets.set(set, names);
    const at = placeOf(names, name);
    if (names[at] === name) return undefined;
    names.splice(at, 0, name);
    return at < this.#most ? names[this.#most] : undefined;
  }

  /** Removes a name from a set; undefined: from none. @returns the name that counts from now on because of it */
  remove(set: string | undefined, name: string): string | undefined {
    const names = set === undefined ? undefined : this.#sets.get(set);
    if (set === undefined || names === undefined) return undefined;
    const at = placeOf(names, name);
    if (names[at] !== name) return undefined;
    names.splice(at, 1);
    if (names.length === 0) this.#sets.delete(set);
    return at < this.#most ? names[this.#most - 1] : undefined;
  }
}

/** The index of a name in sorted names, or where it belongs. */
function placeOf(names: readonly string[], name: string): number {
  let [from, to] = [0, names.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (names[middle]! < name) from = middle + 1;
    else to = middle;
  }
  return from;
}
