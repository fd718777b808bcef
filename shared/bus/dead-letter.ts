import { MAX_REASON, MAX_WORD } from '../events/bounds.ts';
import { type Event, envelop, keyOf } from '../events/index.ts';
import { foreignText } from '../text.ts';

/**
 * The dead letter of an event that a group refused at every attempt. Its id consists of the group's name and the event's id, so
 * that a repeat is recognised. Its code is the error's, or `HANDLER_FAILED` if the error has none.
 * @returns undefined for a dead letter that was itself refused: dead letters of dead letters would never end
 */
export function deadLetter(event: Event, group: string, error: unknown): Event | undefined {
  if (event.type === 'event.rejected.v1') return undefined;
  const data = { vm: keyOf(event), atMs: event.data.atMs, ...causeOf(error), original: event };
  return envelop({ type: 'event.rejected.v1', data }, `rejected:${group}:${event.id}`, '/tagalong/bus');
}

/** The dead letter of an entry in a record's outbox that the bus does not accept. It names the record. */
export function outboxDeadLetter(entry: {
  /** The record's key. */
  readonly key: string;
  readonly vm: string;
  readonly id: string;
  readonly original: unknown;
  /** When it was found, in milliseconds since the epoch. */
  readonly atMs: number;
  readonly error: unknown;
}): Event {
  const { key, vm, id, original, atMs, error } = entry;
  const { code, reason } = causeOf(error);
  const data = { vm, atMs, code, reason: foreignText(`outbox of ${key}: ${reason}`, MAX_REASON), original };
  return envelop({ type: 'event.rejected.v1', data }, `rejected:outbox:${key}:${id}`, '/tagalong/bus');
}

function causeOf(error: unknown): { readonly code: string; readonly reason: string } {
  const code = (error as { code?: unknown } | undefined)?.code;
  return {
    code: typeof code === 'string' ? foreignText(code, MAX_WORD) : 'HANDLER_FAILED',
    reason: foreignText(error instanceof Error ? error.message : String(error), MAX_REASON),
  };
}

const REPLAY = 'replay:';

/** A rejected event as it is published again: under another id, because the bus may drop a repeat of the first. */
export function replayOf(original: Event): Event {
  return { ...original, id: REPLAY + original.id };
}

/** The id under which an event was published first. Compare ids by it to recognise an event that was published again. */
export function originalId(id: string): string {
  return id.startsWith(REPLAY) ? originalId(id.slice(REPLAY.length)) : id;
}
