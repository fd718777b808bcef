/** Carries out `tagalong token create|list|revoke`. */
import type { IssuedToken } from '#services/runtime/tokens.ts';
import { instant } from '#shared/format.ts';
import type { Role } from '#shared/roles.ts';
import { tokenIdIn } from '#shared/token-text.ts';
import { table } from '../output/table.ts';
import { ask, type ServerOptions } from './client.ts';

/** The options of `tagalong token create`. */
export interface CreateOptions extends ServerOptions {
  readonly role: Role;
  readonly user?: string;
  /** Milliseconds. */
  readonly expires: number;
}

/**
 * Issues a token. Only the token goes to standard output, so that a script can take it from there.
 * @throws TagalongError the errors of `ask`
 */
export async function createToken({ role, user, expires, ...options }: CreateOptions): Promise<void> {
  const body = { role, expiresInMs: expires, ...(user !== undefined && { user }) };
  const issued = await ask<IssuedToken & { readonly token: string }>(options, 'POST', '/v1/tokens', body);
  if (options.json) return void process.stdout.write(`${JSON.stringify(issued)}\n`);
  process.stdout.write(`${issued.token}\n`);
  const until = `until ${instant(issued.expiresAtMs)}`;
  process.stderr.write(`Token ${issued.id}, role ${role}, is valid ${until}. It is not shown again.\n`);
}

/** Prints the issued tokens. @throws TagalongError the errors of `ask` */
export async function listTokens(options: ServerOptions): Promise<void> {
  const answer = await ask<{ readonly tokens: readonly IssuedToken[] }>(options, 'GET', '/v1/tokens');
  if (options.json) return void process.stdout.write(`${JSON.stringify(answer)}\n`);
  const rows = answer.tokens.map(({ id, role, user, by, createdAtMs, expiresAtMs }) => [
    id,
    role,
    user ?? '',
    by,
    instant(createdAtMs),
    instant(expiresAtMs),
  ]);
  const heads = ['id', 'role', 'user', 'issued by', 'issued', 'expires'];
  process.stdout.write(
    table(
      heads.map((head) => ({ head })),
      rows,
    ),
  );
}

/**
 * Revokes a token.
 * @param shown its id, or the token itself, whose secret is not sent
 * @throws TagalongError the errors of `ask`
 */
export async function revokeToken(shown: string, options: ServerOptions): Promise<void> {
  const id = tokenIdIn(shown);
  await ask(options, 'DELETE', `/v1/tokens/${encodeURIComponent(id)}`);
  process.stdout.write(options.json ? `${JSON.stringify({ id, revoked: true })}\n` : `Token ${id} is revoked.\n`);
}
