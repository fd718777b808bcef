/** Recognises the callers of requests by their tokens, and checks that their roles permit the requests. */
import { createHash, timingSafeEqual } from 'node:crypto';
import bearerAuth from '@fastify/bearer-auth';
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { HttpConfig } from '#shared/config/schema.ts';
import { asksForTokens, type HttpTokens } from '#shared/config/sign-in.ts';
import { TagalongError } from '#shared/errors.ts';
import type { Log } from '#shared/log.ts';
import { type Access, mayUse } from '#shared/roles.ts';
import { type Caller, type Check, EVERYBODY } from './caller.ts';
import { personCheck } from './persons.ts';
import type { Tokens } from './tokens.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The user name of basic authentication, if the request used that. */
    basicName?: string;
    /** The sender of the request. Absent on open routes. */
    caller: Caller;
    /** Checks the token of the request again. @returns false once it has expired or was revoked */
    isStillValid: () => Promise<boolean>;
  }
  interface FastifyContextConfig {
    /** The callers that may use the route. Every route declares it. */
    access?: Access;
  }
}

/** The means by which callers are recognised. */
export interface Credentials {
  readonly config: HttpConfig;
  readonly log: Log;
  /** The tokens of the configuration as they are now: the same object until they change. @default those of `config` */
  readonly httpTokens?: (() => HttpTokens) | undefined;
  /** The issued tokens. @default none */
  readonly tokens?: Pick<Tokens, 'recognise'> | undefined;
  /** Maps the id of a user to the name that the bus carries. @default the id itself */
  readonly pseudonymOf?: ((user: string) => string) | undefined;
}

/**
 * Checks the caller of every request to a route that is registered after this call, by the access that the route declares. The rate
 * limit comes first, to slow guessing. Where the configuration asks for no token, every caller counts as an admin.
 * @throws (the registration of a route) TypeError if the route declares no access
 */
export async function requireCredentials(app: FastifyInstance, credentials: Credentials): Promise<void> {
  const recognise = asksForTokens(credentials.config) ? recogniser(credentials) : undefined;
  app.decorateRequest('caller');
  app.decorateRequest('isStillValid');
  const auth = async (shown: string, request: FastifyRequest) => {
    const caller = await recognise!(shown);
    if (caller === undefined) return false;
    request.caller = caller;
    await refuseMany(request);
    request.isStillValid = async () => (await recognise!(shown))?.role === caller.role;
    return true;
  };
  // The limit of requests by address comes before this, so that it also slows those who guess.
  const limit = app.createRateLimit({
    max: credentials.config.requestsPerMinute,
    timeWindow: 60_000,
    keyGenerator: ({ caller }) => `token ${caller.name}`,
  });
  const refuseMany = async (request: FastifyRequest) => {
    if (request.caller.isShared) return;
    const state = await limit(request);
    if (!state.isAllowed && state.isExceeded) throw Object.assign(new Error('too many requests'), { statusCode: 429 });
  };
  await app.register(bearerAuth, { keys: new Set<string>(), auth, addHook: false, specCompliance: 'rfc6749' });
  const checkToken = app.verifyBearerAuth!;
  app.addHook('onRoute', (route) => {
    const access = (route.config as { readonly access?: Access } | undefined)?.access;
    if (access === undefined) {
      throw new TypeError(`${route.method} ${route.url} declares no access; give it one of shared/roles.ts`);
    }
    if (access === 'open') return;
    const checks = recognise === undefined ? [acceptEverybody] : [passwordAsToken, checkToken, checkRole(access)];
    route.onRequest = [route.onRequest ?? []].flat().concat(checks);
  });
}

function recogniser({ config, log, httpTokens, tokens, pseudonymOf = (user) => user }: Credentials): Check {
  const { oidc } = config;
  const configured = configuredCheck(httpTokens ?? (() => config), pseudonymOf);
  const checks: Check[] = [
    configured,
    ...(tokens === undefined ? [] : [issuedCheck(tokens)]),
    ...(oidc === undefined ? [] : [personCheck(oidc, pseudonymOf, log)]),
  ];
  return async (shown) => {
    for (const check of checks) {
      const caller = await check(shown);
      if (caller !== undefined) return caller;
    }
    return undefined;
  };
}

function configuredCheck(current: () => HttpTokens, pseudonymOf: (user: string) => string): Check {
  let known: HttpTokens | undefined;
  let checks: ReturnType<typeof tokenCheck>[] = [];
  return (shown) => {
    const now = current();
    if (now !== known) {
      const { token, tokens } = now;
      checks = [
        ...(token === undefined ? [] : [tokenCheck(token, { name: 'http.token', role: 'admin', isShared: true })]),
        ...tokens.map(({ name, role, token, user }) =>
          tokenCheck(token, { name, role, ...(user !== undefined && { user: pseudonymOf(user) }) }),
        ),
      ];
      known = now;
    }
    for (const check of checks) {
      const caller = check(shown);
      if (caller !== undefined) return caller;
    }
    return undefined;
  };
}

/** Compares in constant time: the duration does not reveal how much of a token is right. */
function tokenCheck(token: string, caller: Caller): (shown: string) => Caller | undefined {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const right = digest(token);
  return (shown) => (timingSafeEqual(digest(shown), right) ? caller : undefined);
}

function issuedCheck(tokens: Pick<Tokens, 'recognise'>): Check {
  return async (shown) => {
    const issued = await tokens.recognise(shown);
    if (issued === undefined) return undefined;
    const { id, role, user } = issued;
    return { name: `token ${id}`, role, ...(user !== null && { user }) };
  };
}

const acceptEverybody: onRequestHookHandler = (request, _reply, done) => {
  request.caller = EVERYBODY;
  request.isStillValid = async () => true;
  done();
};

function checkRole(access: Access): onRequestHookHandler {
  return ({ caller: { role } }, _reply, done) => {
    if (mayUse(role, access)) return done();
    const why =
      role === undefined ? 'no rule of http.oidc.roles gives you a role' : `the role ${role} does not permit it`;
    done(new TagalongError('FORBIDDEN', `${why}; ask an admin of this installation`));
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
