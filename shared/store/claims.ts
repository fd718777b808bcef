/**
 * Compare-and-set by replay of a log that knows no compare-and-set. Each write is a claim of the next version of its
 * record, and everybody who reads the log judges alike: **the first claim of a version is that version, and the highest
 * version is the record**. A writer claims version n + 1 only if it has seen n to be the record, so no version is
 * skipped.
 *
 * This holds of a compacted log too, in which claims are missing, as long as none is removed before a higher version of
 * its record, or an earlier claim of the same version, is in the log: then the first claim of the highest version is
 * always still there. A deletion is a version like any other, and is never removed: without it, whoever was late with an
 * old version would bring the record back.
 */

/** What somebody wants a record to be. */
export interface Claim {
  /** Names this claim and no other. */
  readonly id: string;
  readonly key: string;
  /** From 1 on. */
  readonly version: number;
  /** JSON; undefined: the record is deleted. */
  readonly text: string | undefined;
}

/** What a claim came to. */
export interface Judgement {
  readonly won: boolean;
  /** The claim that nobody needs any more: the version before, or the one that lost. */
  readonly needless: string | undefined;
}

/** The records that a log of claims amounts to, as far as it was read. */
export class Claims {
  readonly #records = new Map<string, Claim>();

  /** Takes the next claim of the log. */
  take(claim: Claim): Judgement {
    const present = this.#records.get(claim.key);
    if (present !== undefined && claim.version <= present.version) {
      return { won: false, needless: claim.id === present.id ? undefined : claim.id };
    }
    this.#records.set(claim.key, claim);
    return { won: true, needless: present?.id };
  }

  /** The record's version, a deleted one's too; 0 where it never was. */
  version(key: string): number {
    return this.#records.get(key)?.version ?? 0;
  }

  /** The record, unless it is deleted. */
  get(key: string): (Claim & { readonly text: string }) | undefined {
    const record = this.#records.get(key);
    return record?.text === undefined ? undefined : { ...record, text: record.text };
  }

  /** The keys of the records that are not deleted and begin with `prefix`. */
  keys(prefix: string): string[] {
    return [...this.#records.values()]
      .filter(({ key, text }) => text !== undefined && key.startsWith(prefix))
      .map(({ key }) => key);
  }
}
