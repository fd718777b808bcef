/**
 * Compare-and-set over an append-only log, which has no compare-and-set of its own. Each write claims the next version of its
 * record. All readers of the log apply the same rule: **the first claim of a version wins, and the record is its highest
 * version**. A writer claims version n + 1 only if it has read version n, so versions have no gaps.
 *
 * Compaction may remove a claim once the log contains a higher version of the record, or an earlier claim of the same version.
 * The first claim of the highest version therefore stays in the log, and the rule gives the same result. A deletion is a version
 * like any other and stays in the log. Without it, a late writer of an old version could restore the record.
 */

/** One write of a record. */
export interface Claim {
  /** Unique among all claims. */
  readonly id: string;
  /** The key of the record. */
  readonly key: string;
  /** The claimed version. The first one is 1. */
  readonly version: number;
  /** The record as JSON; undefined if the claim deletes the record. */
  readonly text: string | undefined;
}

/** The outcome of a claim. */
export interface Judgement {
  /** True if the claim is the present version of its record. */
  readonly won: boolean;
  /** The id of a claim that may be removed from the log: the previous version, or the claim that lost. */
  readonly obsolete: string | undefined;
}

/** The records that follow from the claims read so far. */
export class Claims {
  readonly #records = new Map<string, Claim>();

  /** Applies the next claim of the log. */
  apply(claim: Claim): Judgement {
    const present = this.#records.get(claim.key);
    if (present !== undefined && claim.version <= present.version) {
      return { won: false, obsolete: claim.id === present.id ? undefined : claim.id };
    }
    this.#records.set(claim.key, claim);
    return { won: true, obsolete: present?.id };
  }

  /** The version of a record, including a deleted one; 0 if it never existed. */
  version(key: string): number {
    return this.#records.get(key)?.version ?? 0;
  }

  /** The claim that holds the record; undefined if the record does not exist or is deleted. */
  get(key: string): (Claim & { readonly text: string }) | undefined {
    const record = this.#records.get(key);
    return record?.text === undefined ? undefined : { ...record, text: record.text };
  }

  /** The keys with this prefix, without deleted records. */
  keys(prefix: string): string[] {
    return [...this.#records.values()]
      .filter(({ key, text }) => text !== undefined && key.startsWith(prefix))
      .map(({ key }) => key);
  }
}
