/** Recognises people by access tokens of an OpenID Connect provider. */
import { createRemoteJWKSet, customFetch, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { isTrustedAddress } from '#shared/config/loopback.ts';
import type { HttpConfig } from '#shared/config/schema.ts';
import { TagalongError } from '#shared/errors.ts';
import { MAX_CALLER } from '#shared/events/audit-type.ts';
import { type Answer, fetchAnswer } from '#shared/http/answer.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { repeatedFault } from '#shared/log-repeats.ts';
import { roleOf } from '#shared/roles.ts';
import { foreignText } from '#shared/text.ts';
import type { Caller, Check } from './caller.ts';

/** Asymmetric signatures only: symmetric ones need a secret that the issuer would have to share with us. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** Limits for the issuer's description and its keys. */
const ISSUER_LIMITS = { mostBytes: 2 ** 20, withinMs: 5_000 };

/** For so long after a failure the issuer is not asked again: everybody can send texts that look like tokens. */
const FAILED_MS = 5_000;

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
  const unavailable = repeatedFault(log, 'the issuer of tokens cannot be asked', 'warn');
  let keys: Promise<JWTVerifyGetKey> | undefined;
  let askAgainAtMs = 0;
  const ask: Ask = async (url) => {
    if (performance.now() < askAgainAtMs) throw new Error('it did not answer a moment ago');
    return fetchAnswer(url, {}, ISSUER_LIMITS);
  };
  return async (shown) => {
    // A text that is no JWT causes no request to the issuer.
    if (shown.split('.').length !== 3) return undefined;
    try {
      keys ??= keysOf(issuer, ask).catch((error) => {
        keys = undefined;
        throw error;
      });
      const { payload } = await jwtVerify(shown, await keys, expected);
      return callerOf(payload, oidc, pseudonymOf);
    } catch (error) {
      if (isFaultOfToken(error)) return undefined;
      // Known keys still verify the tokens that they have signed.
      if (performance.now() >= askAgainAtMs) {
        askAgainAtMs = performance.now() + FAILED_MS;
        unavailable.failed(new Error(foreignText((error as Error).message)), { issuer });
      }
      throw cannotTell(issuer);
    }
  };
}

/** True if the token is wrong; false if the issuer did not answer, or not as it should. */
function isFaultOfToken(error: unknown): boolean {
  // A timeout's code is a number.
  const { code } = error as { code?: unknown };
  return /^ERR_(JW[TES]_|JWKS_NO_MATCHING_KEY|JWKS_MULTIPLE_|JOSE_ALG_|JOSE_NOT_)/.test(String(code));
}

function cannotTell(issuer: string): TagalongError {
  const right = 'send it again later';
  return new TagalongError('ISSUER_UNREACHABLE', `the issuer of access tokens, ${issuer}, does not answer; ${right}`);
}

function callerOf(payload: JWTPayload, { roles }: Oidc, pseudonymOf: (user: string) => string): Caller {
  const subject = payload.sub!;
  const role = roleOf(payload, roles);
  if (role !== 'device') return { name: personName(subject), role };
  // The subject of a device is a user, whose id is stored nowhere.
  const user = pseudonymOf(subject);
  return { name: personName(user), role, user };
}

/** No name of a token begins like this, so nobody can act under the name of a token, or use up its limit of requests. */
function personName(subject: string): string {
  return foreignText(`person ${subject}`, MAX_CALLER);
}

/** Asks the issuer. @throws Error where it does not answer, or did not answer a moment ago */
type Ask = (url: string) => Promise<Answer>;

async function keysOf(issuer: string, ask: Ask): Promise<JWTVerifyGetKey> {
  const { text } = await ask(`${issuer.replace(/\/+$/, '')}/.well-known/openid-configuration`);
  const { issuer: named, jwks_uri } = JSON.parse(text) as { issuer?: unknown; jwks_uri?: unknown };
  if (named !== issuer || typeof jwks_uri !== 'string') throw new Error(`it calls itself ${foreignText(named, 256)}`);
  if (!isTrustedAddress(jwks_uri)) throw new Error('its keys come over http, so others could change them on the way');
  const fetchKeys = async (url: string) => {
    const answer = await ask(url);
    return new Response(answer.text, { status: answer.status });
  };
  return createRemoteJWKSet(new URL(jwks_uri), { [customFetch]: fetchKeys });
}
