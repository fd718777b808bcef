/** Carries out `tagalong user export|erase`. */
import type { Erasure, Export } from '#services/users/service.ts';
import { TagalongError } from '#shared/errors.ts';
import { instant } from '#shared/format.ts';
import { table } from '../output/table.ts';
import { ask, type ServerOptions } from './client.ts';

/** The request may read much of the bus, and waits for other processes. */
const WITHIN_MS = 150_000;

/** Prints everything that is kept about a user, as JSON; `failed` names what could not be read. @throws TagalongError the errors of `ask` */
export async function exportUser(user: string, options: ServerOptions): Promise<void> {
  const answer = await ask<Export>(options, 'GET', `${pathOf(user)}/export`, undefined, WITHIN_MS);
  process.stdout.write(`${JSON.stringify(answer, null, options.json ? undefined : 2)}\n`);
}

/**
 * Erases a user. Prints what each place has removed, and what is left until when.
 * @throws TagalongError the errors of `ask`; ERASURE_INCOMPLETE where a place could not be cleared
 */
export async function eraseUser(user: string, options: ServerOptions): Promise<void> {
  const erasure = await ask<Erasure>(options, 'DELETE', pathOf(user), undefined, WITHIN_MS);
  if (options.json) process.stdout.write(`${JSON.stringify(erasure)}\n`);
  else process.stdout.write(textOf(erasure));
  if (erasure.complete) return;
  const places = erasure.places.flatMap(({ place, done, why }) => (done ? [] : why ? `${place} (${why})` : place));
  throw new TagalongError(
    'ERASURE_INCOMPLETE',
    `${places.join(', ')}: not everything could be erased; check that placement and ingest run ("tagalong status"), and repeat the command`,
  );
}

function textOf({ places, remains }: Erasure): string {
  const removed = table(
    [{ head: 'place' }, { head: 'removed', align: 'right' }],
    places.map(({ place, removed }) => [place, String(removed)]),
  );
  const left = remains.map(
    ({ where, what, untilMs }) => `${where}: ${what}${untilMs === null ? '' : ` (gone at ${instant(untilMs)})`}\n`,
  );
  return `${removed}\nWhat is left:\n${left.join('')}`;
}

const pathOf = (user: string) => `/v1/users/${encodeURIComponent(user)}`;
