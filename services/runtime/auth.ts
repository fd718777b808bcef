/** Authentication of requests: by the configured token, or by an access token of the identity provider. */
import { createHash, timingSafeEqual } from 'node:crypto';
import bearerAuth from '@fastify/bearer-auth';
import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { HttpConfig } from '#shared/config/schema.ts';
import { fetchAnswer } from '#shared/http/answer.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { foreignText } from '#shared/text.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The user name of basic authentication, if the request used that. */
    basicName?: string;
  }
}

/** Asymmetric signatures only: symmetric ones need a secret that the issuer would have to share with us. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
/** Limits for the issuer's description and its keys. */
const ISSUER_LIMITS = { mostBytes: 2 ** 20, withinMs: 5_000 };

/**
 * Checks the credentials of every request to a route under /v1 that is registered after this call. The rate limit comes first, to
 * slow guessing. Without `token` and `oidc` in the configuration, every request passes.
 */
export async function requireCredentials(app: FastifyInstance, config: HttpConfig, log: Log): Promise<void> {
  const checks = [
    ...(config.token === undefined ? [] : [tokenCheck(config.token)]),
    ...(config.oidc === undefined ? [] : [personCheck(config.oidc, serviceLog(log, 'http'))]),
  ];
  if (checks.length === 0) return;
  const auth = async (shown: string) => {
    for (const check of checks) if (await check(shown)) return true;
    return false;
  };
  await app.register(bearerAuth, { keys: new Set<string>(), auth, addHook: false, specCompliance: 'rfc6749' });
  const check = app.verifyBearerAuth!;
  app.addHook('onRoute', (route) => {
    if (route.url !== '/v1' && !route.url.startsWith('/v1/')) return;
    route.onRequest = [route.onRequest ?? []].flat().concat(passwordAsToken, check);
  });
}

type Check = (shown: string) => boolean | Promise<boolean>;

/** Compares in constant time: the duration does not reveal how much of a token is right. */
function tokenCheck(token: string): Check {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const right = digest(token);
  return (shown) => timingSafeEqual(digest(shown), right);
}

/**
 * Validates an access token of OpenID Connect (a JWT, RFC 9068): signature, audience and times. Finds the issuer's keys by OpenID
 * Connect Discovery 1.0, and fetches them again when the issuer has new ones.
 */
function personCheck({ issuer, audience }: NonNullable<HttpConfig['oidc']>, log: Log): Check {
  let keys: Promise<JWTVerifyGetKey> | undefined;
  const discover = async () => {
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
  };
  return async (shown) => {
    // A text that is no JWT causes no request to the issuer.
    if (shown.split('.').length !== 3) return false;
    try {
      keys ??= discover();
      await jwtVerify(shown, await keys, { issuer, audience, algorithms: ALGORITHMS, requiredClaims: ['exp'] });
      return true;
    } catch (error) {
      // A timeout's code is a number.
      const { code, message } = error as { code?: unknown; message: string };
      if (!String(code).startsWith('ERR_J')) {
        keys = undefined;
        log.warn({ issuer, why: foreignText(message) }, 'the issuer of tokens cannot be asked');
      }
      return false;
    }
  };
}

/** Accepts the token as the password of basic authentication, for phone apps that support nothing else. */
const passwordAsToken: onRequestHookHandler = (request, _reply, done) => {
  const [, basic] = /^basic (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (basic !== undefined) {
    const [name = '', ...password] = Buffer.from(basic, 'base64').toString().split(':');
    request.headers.authorization = `Bearer ${password.join(':')}`;
    request.basicName = name;
  }
  done();
};
