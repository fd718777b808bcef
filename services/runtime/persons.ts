/** Recognises people by access tokens of an OpenID Connect provider. */
import { createRemoteJWKSet, customFetch, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { HttpConfig } from '#shared/config/schema.ts';
import { fetchAnswer } from '#shared/http/answer.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { roleOf } from '#shared/roles.ts';
import { foreignText } from '#shared/text.ts';
import type { Caller, Check } from './caller.ts';

/** Asymmetric signatures only: symmetric ones need a secret that the issuer would have to share with us. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** Limits for the issuer's description and its keys. */
const ISSUER_LIMITS = { mostBytes: 2 ** 20, withinMs: 5_000 };

type Oidc = NonNullable<HttpConfig['oidc']>;

/**
 * Validates an access token of OpenID Connect (a JWT, RFC 9068): type, signature, audience and times. An ID token has another type and
 * is refused: it says who somebody is, and permits nothing. Finds the issuer's keys by OpenID Connect Discovery 1.0, and fetches them
 * again when the issuer has new ones.
 * @param pseudonymOf maps the subject of a device to the name that the bus carries
 */
export function personCheck(oidc: Oidc, pseudonymOf: (user: string) => string, parent: Log): Check {
  const { issuer, audience } = oidc;
  const log = serviceLog(parent, 'http');
  const expected = { issuer, audience, typ: 'at+jwt', algorithms: ALGORITHMS, requiredClaims: ['exp', 'sub'] };
  let keys: Promise<JWTVerifyGetKey> | undefined;
  return async (shown) => {
    // A text that is no JWT causes no request to the issuer.
    if (shown.split('.').length !== 3) return undefined;
    try {
      keys ??= keysOf(issuer);
      const { payload } = await jwtVerify(shown, await keys, expected);
      return callerOf(payload, oidc, pseudonymOf);
    } catch (error) {
      // A timeout's code is a number.
      const { code, message } = error as { code?: unknown; message: string };
      if (!String(code).startsWith('ERR_J')) {
        keys = undefined;
        log.warn({ issuer, why: foreignText(message) }, 'the issuer of tokens cannot be asked');
      }
      return undefined;
    }
  };
}

function callerOf(payload: JWTPayload, { roles }: Oidc, pseudonymOf: (user: string) => string): Caller {
  const subject = payload.sub!;
  const role = roleOf(payload, roles);
  if (role !== 'device') return { name: foreignText(subject, 128), role };
  // The subject of a device is a user, whose id is stored nowhere.
  const user = pseudonymOf(subject);
  return { name: user, role, user };
}

async function keysOf(issuer: string): Promise<JWTVerifyGetKey> {
  const { text } = await fetchAnswer(
    `${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`,
    {},
    ISSUER_LIMITS,
  );
  const { issuer: named, jwks_uri } = JSON.parse(text) as { issuer?: unknown; jwks_uri?: unknown };
  if (named !== issuer || typeof jwks_uri !== 'string') throw new Error(`it calls itself ${foreignText(named, 256)}`);
  const ask = async (url: string, init: RequestInit) => {
    const answer = await fetchAnswer(url, init, ISSUER_LIMITS);
    return new Response(answer.text, { status: answer.status });
  };
  return createRemoteJWKSet(new URL(jwks_uri), { [customFetch]: ask });
}
