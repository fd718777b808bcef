/** The stored form of dead letters, and their replay. */
import Type from 'typebox';
import type { Bus } from '#shared/bus/bus.ts';
import { replayOf } from '#shared/bus/dead-letter.ts';
import { TagalongError } from '#shared/errors.ts';
import { check, type Data, type Event } from '#shared/events/index.ts';
import { closed, Ms, Name, recordKind } from '#shared/store/records.ts';
import type { Store, Stored } from '#shared/store/store.ts';
import { listRecords } from '#shared/store/update.ts';

export const DEAD_LETTERS = 'dead-letter/';

/** The kind of these records. The rejected content is stored unchanged. */
export const DEAD_LETTER_RECORD = recordKind({
  kind: 'dead-letter',
  keys: `${DEAD_LETTERS}<id of the event.rejected>`,
  owner: 'monitor',
  version: 1,
  schema: Type.Object(
    { vm: Name, atMs: Ms, code: Type.String(), reason: Type.String(), original: Type.Unknown() },
    closed,
  ),
  personal: true,
  upgrade: { 0: (old) => old },
});

/** A rejected event, with the consumer that rejected it and the time. */
export type Letter = Data<'event.rejected.v1'>;

/** Selects letters; without a member, all of them. */
export interface DeadLetterFilter {
  readonly vm?: string;
  readonly code?: string;
}

/** The part of a letter that may be shown: neither user nor position. */
export interface DeadLetterLine {
  /** When the rejected event happened. */
  readonly atMs: number;
  readonly code: string;
  readonly reason: string;
  /** The rejected event's type; `unknown` where it was none of ours. */
  readonly type: string;
  /** Its VM, or its site. */
  readonly key: string;
}

export interface ReplayReport {
  readonly replayed: number;
  /** Letters whose content is no event, and which stay. */
  readonly unusable: number;
}

/** The oldest first. */
export async function listDeadLetters(store: Store, filter: DeadLetterFilter): Promise<DeadLetterLine[]> {
  const letters = await lettersOf(store, filter);
  return letters.map(({ value: { atMs, code, reason, vm, original } }) => {
    return { atMs, code, reason, type: eventOf(original)?.type ?? 'unknown', key: vm };
  });
}

/**
 * Publishes the rejected events again, then forgets their letters. An event that two groups rejected is published once, and
 * who has handled it already knows it as a repeat.
 */
export async function replayDeadLetters(store: Store, bus: Bus, filter: DeadLetterFilter): Promise<ReplayReport> {
  let unusable = 0;
  const events = new Map<string, Event>();
  const handled: Stored<Letter>[] = [];
  for (const letter of await lettersOf(store, filter)) {
    const event = eventOf(letter.value.original);
    if (event === undefined) unusable++;
    else {
      events.set(event.id, replayOf(event));
      handled.push(letter);
    }
  }
  // Publish them before they are deleted: after a crash in between they are published once more, under the same ids.
  if (events.size > 0) await bus.publish([...events.values()]);
  await forget(store, handled);
  return { replayed: events.size, unusable };
}

/** Deletes letters; a letter that another process has just deleted counts as deleted. */
export async function forget(store: Store, letters: readonly Stored<Letter>[]): Promise<void> {
  if (letters.length === 0) return;
  await store.put(letters.map(({ key, revision }) => ({ key, value: undefined, revision }))).catch((error) => {
    if (!(error instanceof TagalongError) || error.code !== 'STORE_CONFLICT') throw error;
  });
}

async function lettersOf(store: Store, { vm, code }: DeadLetterFilter): Promise<Stored<Letter>[]> {
  return (await listRecords(store, DEAD_LETTER_RECORD, DEAD_LETTERS))
    .filter(({ value }) => (vm === undefined || value.vm === vm) && (code === undefined || value.code === code))
    .sort((a, b) => a.value.atMs - b.value.atMs);
}

function eventOf(original: unknown): Event | undefined {
  try {
    return check(original);
  } catch {
    return undefined;
  }
}
