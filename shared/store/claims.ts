/**
 * Compare-and-set by replay of a log that has none itself. Each write is a claim of the next version of its record, and every
 * reader of the log judges alike: **the first claim of a version is that version, and the highest version is the record**. A
 * writer claims version n + 1 only where it has read n as the record, so no version is skipped.
 *
 * This also holds for a compacted log, from which claims are missing, as long as each was removed only after a higher version of
 * its record, or an earlier claim of the same version, was in the log: then the first claim of the highest version is always
 * there. A deletion is a version like any other and is never removed. Without it, a late writer of an old version would bring the
 * record back.
 */

/** One write of a record. */
export interface Claim {
  /** Unique. */
  readonly id: string;
  readonly key: string;
  /** The version that it claims, from 1 on. */
  readonly version: number;
  /** The record as JSON; undefined: it is deleted. */
  readonly text: string | undefined;
}

/** The outcome of a claim. */
export interface Judgement {
  /** True: the claim is the record now. */
  readonly won: boolean;
  /** The id of a claim that nobody needs any more: the version before, or the one that lost. */
  readonly needless: string | undefined;
}

/** The records of a log of claims, as far as it was read. */
export class Claims {
  readonly #records = new Map<string, Claim>();

  /** Applies the next claim of the log. */
  take(claim: Claim): Judgement {
    const present = this.#records.get(claim.key);
    if (present !== undefined && claim.version <= present.version) {
      return { won: false, needless: claim.id === present.id ? undefined : claim.id };
    }
    this.#records.set(claim.key, claim);
    return { won: true, needless: present?.id };
  }

  /** The version of a record, also of a deleted one; 0 where there was never one. */
  version(key: string): number {
    return this.#records.get(key)?.version ?? 0;
  }

  /** The claim that is the record; undefined where there is none, or it is deleted. */
  get(key: string): (Claim & { readonly text: string }) | undefined {
    const record = this.#records.get(key);
    return record?.text === undefined ? undefined : { ...record, text: record.text };
  }

  /** The keys with a prefix whose records are not deleted. */
  keys(prefix: string): string[] {
    return [...this.#records.values()]
      .filter(({ key, text }) => text !== undefined && key.startsWith(prefix))
      .map(({ key }) => key);
  }
}
