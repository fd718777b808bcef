/**
 * What moves taught of the ways between sites, kept in the store. All placement processes write the same records, so each
 * adds what it learned to what is on record, and a move counts once even where its lesson is brought again after a crash.
 */
import { TagalongError } from '#shared/errors.ts';
import { type Correction, corrected, type Lesson, UNCORRECTED } from '#shared/policy/sites.ts';
import type { Store } from '#shared/store/store.ts';

const PREFIX = 'placement/pair/';
/** Migrations remembered as counted, a pair: more than can be under way on it while a process is away. */
const REMEMBERED = 32;
/** Each time a write is lost somebody else's was won: so many in a row are a fault, not bad luck. */
const MAX_TRIES = 50;

/** A correction as it lies in the store. */
interface KeptCorrection {
  readonly correction: Correction;
  /** The latest migrations that counted. */
  readonly counted: readonly string[];
}

/** Corrections by the key of their pair. */
export type Corrections = ReadonlyMap<string, Correction>;

export async function loadCorrections(store: Store): Promise<Corrections> {
  const records = await store.list<KeptCorrection>(PREFIX);
  return new Map(records.map(({ key, value }) => [key.slice(PREFIX.length), value.correction]));
}

/**
 * Adds lessons to what is on record.
 * @returns what is on record then, of the pairs that the lessons are of
 * @throws TagalongError STORE_CONFLICT where others keep writing
 */
export async function addLessons(store: Store, lessons: readonly Lesson[]): Promise<Corrections> {
  const byPair = Map.groupBy(lessons, ({ pair }) => pair);
  return new Map(
    await Promise.all([...byPair].map(async ([pair, all]) => [pair, await addToPair(store, pair, all)] as const)),
  );
}

async function addToPair(store: Store, pair: string, lessons: readonly Lesson[]): Promise<Correction> {
  const key = PREFIX + pair;
  for (let tries = 1; ; tries++) {
    const present = await store.get<KeptCorrection>(key);
    const { correction, counted } = present?.value ?? { correction: UNCORRECTED, counted: [] };
    const news = lessons.filter(({ migration }) => !counted.includes(migration));
    if (news.length === 0) return correction;
    const value: KeptCorrection = {
      correction: news.reduce((sum, { sample }) => corrected(sum, sample), correction),
      counted: [...counted, ...news.map(({ migration }) => migration)].slice(-REMEMBERED),
    };
    try {
      await store.put([{ key, value, revision: present?.revision ?? 0 }]);
      return value.correction;
    } catch (error) {
      const lost = error instanceof TagalongError && error.code === 'STORE_CONFLICT';
      if (!lost || tries === MAX_TRIES) throw error;
    }
  }
}
