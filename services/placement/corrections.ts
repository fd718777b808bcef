/**
 * The stored corrections of predictions, learned from completed moves, for each pair of sites. All placements write the same records:
 * each adds its lessons to the correction on record, and a move counts once even where its lesson comes again after a crash.
 */
import Type, { type Static } from 'typebox';
import { corrected, type Lesson, UNCORRECTED } from '#shared/policy/state/sites.ts';
import type { Correction } from '#shared/policy/state/state.ts';
import { Amount, Count, closed, Name, recordKind } from '#shared/store/records.ts';
import type { SetAside } from '#shared/store/set-aside.ts';
import type { Store } from '#shared/store/store.ts';
import { isUnreadable, listRecords, updateRecord } from '#shared/store/update.ts';

const PREFIX = 'placement/pair/';
/** Migrations remembered as counted, for each pair of sites: more than can be under way between them while a process is away. */
const REMEMBERED = 32;

const StoredCorrection = Type.Object(
  {
    correction: Type.Object({ duration: Amount, interruption: Amount, samples: Count }, closed),
    /** The latest migrations that counted. */
    counted: Type.Array(Name),
  },
  closed,
);
/** A correction as it lies in the store. */
type StoredCorrection = Static<typeof StoredCorrection>;

/** The kind of these records. */
export const CORRECTION_RECORD = recordKind({
  kind: 'correction',
  keys: `${PREFIX}<pair of sites>`,
  owner: 'placement',
  version: 1,
  schema: StoredCorrection,
  upgrade: { 0: (old) => old },
});

/** Corrections by the key of their pair. */
export type Corrections = ReadonlyMap<string, Correction>;

/** All corrections that can be read; the others are set aside. @throws TagalongError of the store */
export async function loadCorrections(store: Store, setAside?: SetAside): Promise<Corrections> {
  const records = await listRecords(store, CORRECTION_RECORD, PREFIX, setAside);
  return new Map(records.map(({ key, value }) => [key.slice(PREFIX.length), value.correction]));
}

/**
 * Adds lessons to the corrections on record. Lessons for a record that cannot be read are lost: its pair goes on uncorrected.
 * @returns the corrections of the lessons' pairs, as they are on record then
 * @throws TagalongError STORE_CONFLICT where others keep writing
 */
export async function addLessons(store: Store, lessons: readonly Lesson[], setAside?: SetAside): Promise<Corrections> {
  const corrections = new Map<string, Correction>();
  const add = async (pair: string, all: readonly Lesson[]) => {
    try {
      corrections.set(pair, await addToPair(store, pair, all));
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      setAside?.add(CORRECTION_RECORD, PREFIX + pair, error);
    }
  };
  await Promise.all([...Map.groupBy(lessons, ({ pair }) => pair)].map(([pair, all]) => add(pair, all)));
  return corrections;
}

async function addToPair(store: Store, pair: string, lessons: readonly Lesson[]): Promise<Correction> {
  const kept = await updateRecord(store, CORRECTION_RECORD, PREFIX + pair, (present) => {
    const { correction, counted }: StoredCorrection = present ?? { correction: UNCORRECTED, counted: [] };
    const news = lessons.filter(({ migration }) => !counted.includes(migration));
    if (news.length === 0) return undefined;
    return {
      value: {
        correction: news.reduce((sum, { sample }) => corrected(sum, sample), correction),
        counted: [...counted, ...news.map(({ migration }) => migration)].slice(-REMEMBERED),
      },
    };
  });
  return kept?.correction ?? UNCORRECTED;
}
