import { TagalongError } from '../../errors.ts';
import { type Event, envelop } from '../../events/index.ts';
import { deadLetter } from '../dead-letter.ts';

/** How many characters a dead letter quotes of a message that is no event. */
const LONGEST_ORIGINAL = 10_000;

/** A message on one of our subjects that is no event of ours. */
export interface Undecodable {
  readonly seq: number;
  /** The key in its subject. */
  readonly key: string;
  readonly atMs: number;
  readonly text: string;
  readonly error: TagalongError;
}

/**
 * Publishes the dead letter of an event that a group refused to the last attempt; none for a dead letter that was itself refused.
 * @throws TagalongError BUS_UNREACHABLE, BUS_REFUSED, BUS_CLOSED
 */
export async function publishDeadLetter(
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
    // The event just fits into a message, and its dead letter does not.
    const data = { ...letter.data, original: { id: event.id, type: event.type } };
    await publish([{ ...letter, data } as Event]);
  }
}

/** The dead letter for a message that is no event. Its id is made from the message's number, so a repeat is known as one. */
export function undecodableDeadLetter({ seq, key, atMs, text, error }: Undecodable, group: string): Event {
  const vm = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/.test(key) ? key : 'unknown';
  const original = text.slice(0, LONGEST_ORIGINAL);
  const data = { vm, atMs, code: error.code, reason: error.message, original };
  return envelop({ type: 'event.rejected.v1', data }, `rejected:${group}:message-${seq}`, '/tagalong/bus');
}
