import { MAX_REASON, MAX_WORD } from '../events/bounds.ts';
import { type Event, envelop, keyOf } from '../events/index.ts';
import { foreignText } from '../text.ts';

/**
 * The dead letter for an event that a group refused to the last attempt. Its id is made from the group's name and the
 * event's id, so that a repeat is known as one. Its code is the error's, `HANDLER_FAILED` where the error has none.
 * @returns undefined for a dead letter that was itself refused: wrapped again and again, it would never come to rest
 */
export function deadLetter(event: Event, group: string, error: unknown): Event | undefined {
  if (event.type === 'event.rejected.v1') return undefined;
  const data = { vm: keyOf(event), atMs: event.data.atMs, ...causeOf(error), original: event };
  return envelop({ type: 'event.rejected.v1', data }, `rejected:${group}:${event.id}`, '/tagalong/bus');
}

/** The dead letter for what stands in a record's outbox and is no event that the bus takes. It names the record. */
export function outboxLetter(entry: {
  /** The record's. */
  readonly key: string;
  readonly vm: string;
  readonly id: string;
  readonly original: unknown;
  /** When that was found. */
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

/** An event that was rejected, to be published again: under an id of its own, because a bus drops repeats of the first. */
export function replayOf(original: Event): Event {
  return { ...original, id: REPLAY + original.id };
}

/** The id under which an event was published first, for who has to know repeats by it. */
export function originalId(id: string): string {
  return id.startsWith(REPLAY) ? originalId(id.slice(REPLAY.length)) : id;
}
