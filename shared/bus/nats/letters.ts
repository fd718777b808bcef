import { TagalongError } from '../../errors.ts';
import { type Event, envelop } from '../../events/index.ts';
import { deadLetter } from '../dead-letter.ts';

/** So much is kept of a message that is no event. */
const LONGEST_ORIGINAL = 10_000;

/** A message on one of our subjects that is no event of ours. */
export interface Undecodable {
  readonly seq: number;
  /** The key that its subject names. */
  readonly key: string;
  readonly atMs: number;
  readonly text: string;
  readonly error: TagalongError;
}

/** Publishes what a group could not take, as an event of its own. @throws TagalongError BUS_UNREACHABLE */
export async function publishLetter(
  publish: (events: readonly Event[]) => Promise<void>,
  event: Event,
  group: string,
  error: unknown,
): Promise<void> {
  const letter = deadLetter(event, group, error);
  if (letter === undefined) return;
  try {
    await publish([letter]);
  } catch (reason) {
    if (!(reason instanceof TagalongError) || reason.code !== 'PAYLOAD_TOO_LARGE') throw reason;
    // The event just fits into a message, its letter does not any more.
    const data = { ...letter.data, original: { id: event.id, type: event.type } };
    await publish([{ ...letter, data } as Event]);
  }
}

/** The letter for a message that is no event. */
export function undecodableLetter({ seq, key, atMs, text, error }: Undecodable, group: string): Event {
  const vm = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/.test(key) ? key : 'unknown';
  const original = text.slice(0, LONGEST_ORIGINAL);
  const data = { vm, atMs, code: error.code, reason: error.message, original };
  return envelop({ type: 'event.rejected.v1', data }, `rejected:${group}:message-${seq}`, '/tagalong/bus');
}
