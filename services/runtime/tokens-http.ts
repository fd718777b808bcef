/** The routes by which admins issue, list and revoke tokens. Every process has them. */
import Type from 'typebox';
import { ROLES } from '#shared/roles.ts';
import { bodyReader, unfit } from '../ingest/body.ts';
import { auditMade } from './audit.ts';
import type { HttpSurface } from './http.ts';
import { isFitUser, type Tokens } from './tokens.ts';

/** Ten years: the longest life of a token. */
const MOST_MS = 315_576_000_000;

/** The body of `POST /v1/tokens`. `user` belongs to the role `device` alone. */
export const TokenBody = Type.Object(
  {
    role: Type.Enum([...ROLES]),
    user: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    expiresInMs: Type.Integer({ minimum: 1, maximum: MOST_MS }),
  },
  { additionalProperties: false },
);
const readToken = bodyReader(TokenBody);

/** A token in the answers, without its secret. */
export const TokenView = Type.Object({
  id: Type.String(),
  role: Type.Enum([...ROLES]),
  user: Type.Union([Type.String(), Type.Null()]),
  by: Type.String(),
  createdAtMs: Type.Number(),
  expiresAtMs: Type.Number(),
});

/** The dependencies of the routes. */
export interface TokenRoutes {
  readonly tokens: Tokens;
  /** Maps the id of a user to the name that the bus carries. */
  readonly pseudonymOf: (user: string) => string;
}

/**
 * Adds the routes:
 * - `POST /v1/tokens` `{role, user?, expiresInMs}`: issues a token; only this answer contains it
 * - `GET /v1/tokens`: all tokens, without their secrets
 * - `DELETE /v1/tokens/:id`: revokes one; all processes refuse it within two seconds
 */
export function registerTokens({ app }: HttpSurface, { tokens, pseudonymOf }: TokenRoutes): void {
  app.post('/v1/tokens', { config: { access: 'administer' } }, async (request, reply) => {
    const { body, caller } = request;
    const { role, user, expiresInMs } = readToken(body);
    if (!isFitUser(role, user)) throw unfit('user: give the user of a device, and none with another role');
    const issued = await tokens.create({
      role,
      user: user === undefined ? null : pseudonymOf(user),
      by: caller.name,
      expiresInMs,
    });
    auditMade(request, { id: issued.id });
    return reply.code(201).header('cache-control', 'no-store').send(issued);
  });
  app.get('/v1/tokens', { config: { access: 'administer' } }, async () => ({ tokens: await tokens.list() }));
  app.delete<{ Params: { id: string } }>(
    '/v1/tokens/:id',
    { config: { access: 'administer' } },
    async ({ params }, reply) => {
      await tokens.revoke(params.id);
      return reply.code(204).send();
    },
  );
}
