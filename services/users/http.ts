/** The routes by which one person's data are exported and erased. */
import type { Config } from '#shared/config/schema.ts';
import { userReader } from '../ingest/body.ts';
import type { OwnUserCheck } from '../ingest/own-user.ts';
import type { HttpSurface } from '../runtime/http.ts';
import type { UserData } from './service.ts';

/** An export reads much of the bus and the store. */
const MOST_PER_MINUTE = 12;

/**
 * Adds the routes:
 * - `GET /v1/users/:user/export`: everything that is kept about the user, by place; a device exports its own user only, else 403.
 *   `failed` names the places that could not be read
 * - `DELETE /v1/users/:user`: erases it. The answer lists each place with the number of removed things, and what is left until when.
 *   `complete` is false where no placement answered: repeat it then
 */
export function registerUsers(
  { app }: HttpSurface,
  options: { readonly userData: UserData; readonly config: Config; readonly refuseOthers: OwnUserCheck },
): void {
  const { userData, config, refuseOthers } = options;
  const readUser = userReader(config.ingest.pseudonymKey !== undefined);
  const rateLimit = { max: Math.min(MOST_PER_MINUTE, config.http.requestsPerMinute) };

  app.get<{ Params: { user: string } }>(
    '/v1/users/:user/export',
    { config: { access: 'report', rateLimit } },
    async (request, reply) => {
      const user = readUser(request.params.user);
      await refuseOthers(request, [{ user }]);
      const { name, role } = request.caller;
      const exported = await userData.export(user, role === 'admin' ? undefined : name);
      return reply.header('cache-control', 'no-store').send(exported);
    },
  );
  app.delete<{ Params: { user: string } }>(
    '/v1/users/:user',
    { config: { access: 'administer' } },
    async ({ params }) => userData.erase(readUser(params.user)),
  );
}
