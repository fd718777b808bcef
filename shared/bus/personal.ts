/** Which events name users. */
import type { Event, EventType } from '../events/index.ts';

/** The types of events that name users. */
export const PERSONAL_TYPES: readonly EventType[] = [
  'session.attached.v1',
  'session.detached.v1',
  'location.reported.v1',
  'interruption.reported.v1',
  'user.erased.v1',
  'event.rejected.v1',
];

/** True if an event names this user. A dead letter does if the refused event does. */
export function isAbout({ type, data }: Pick<Event, 'type' | 'data'>, user: string): boolean {
  if (type === 'event.rejected.v1') return isLetterAbout((data as { readonly original: unknown }).original, user);
  return 'user' in data && data.user === user;
}

/** True if the content of a dead letter names this user. @param original an event, the rest of one, or a text that is none */
export function isLetterAbout(original: unknown, user: string): boolean {
  if (typeof original === 'string') return compact(original).includes(compact(`"user":${JSON.stringify(user)}`));
  const { data, id } = (original ?? {}) as {
    readonly data?: { readonly user?: unknown } | null;
    readonly id?: unknown;
  };
  // Of an event that was too long only the id is left. It contains the user between colons.
  if (data === undefined) return typeof id === 'string' && id.includes(`:${user}:`);
  return data?.user === user;
}

/** A text without white space: JSON of others may have some anywhere. */
const compact = (text: string) => text.replaceAll(/\s+/g, '');
