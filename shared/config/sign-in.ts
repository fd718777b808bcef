/** The credentials that a configuration asks for. */
import type { HttpConfig } from './schema.ts';

/** The tokens that a configuration contains. */
export type HttpTokens = Pick<HttpConfig, 'token' | 'tokens'>;

/** True if requests need a token. Otherwise every request counts as one of an admin. */
export function asksForTokens({ token, tokens, oidc }: HttpConfig): boolean {
  return token !== undefined || tokens.length > 0 || oidc !== undefined;
}

/** A token of the role admin that the configuration contains; undefined if it contains none. */
export function adminToken({ token, tokens }: HttpTokens): string | undefined {
  return token ?? tokens.find(({ role }) => role === 'admin')?.token;
}
