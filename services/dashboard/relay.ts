/**
 * Passes requests on, for a dashboard in a process of its own. A page may send requests only to the process that served it. The relay sends
 * each of them to the processes of `dashboard.services`, one after the other, until one of them is responsible.
 */
import type { FastifyRequest } from 'fastify';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { type Answer, fetchAnswer } from '#shared/http/answer.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import { foreignText } from '#shared/text.ts';
import { type HttpSurface, Lines } from '../runtime/http.ts';

/** The limits of an answer. The longest one lists all VMs. */
const LIMITS = { mostBytes: 64 * 2 ** 20, withinMs: 10_000 };
/** The limit of requests that read or erase all data of a user. */
const USERS_WITHIN_MS = 120_000;

/** Sends requests to the other processes. */
export interface Relay {
  /** Adds `/v1/*` for all routes that this process does not have. The process that answers checks the role of the caller. */
  registerHttp(surface: HttpSurface): void;
  /** Asks for the explanation of a VM. @throws TagalongError VM_UNKNOWN, HELD_ELSEWHERE, SERVER_UNREACHABLE */
  explain(vm: string): Promise<Explained>;
}

/**
 * Makes the relay.
 * @param services the addresses of the other processes
 * @param token gives a token of the common configuration with the role admin
 */
export function createRelay(services: readonly string[], token: () => string | undefined): Relay {
  const ask = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    let fallback: Answer | undefined;
    for (const base of services) {
      const answer = await askOne(base.replace(/\/+$/, '') + path, init, token()).catch(() => undefined);
      if (answer === undefined) continue;
      if (answer.status !== 421 && !isNoRoute(answer)) return answer;
      if (fallback === undefined || answer.status === 421) fallback = answer;
    }
    if (fallback !== undefined) return fallback;
    const right =
      services.length === 0
        ? 'set dashboard.services to their addresses'
        : `check that they run: ${services.join(', ')}`;
    throw new TagalongError('SERVER_UNREACHABLE', `no other service answers the dashboard; ${right}`);
  };

  return {
    registerHttp({ app }) {
      app.all('/v1/*', { config: { access: 'signed-in' } }, async (request, reply) => {
        const { status, text } = await ask(pathOf(request.url), initOf(request));
        return reply.code(status).type('application/json').send(text);
      });
    },
    async explain(vm) {
      const { status, text } = await ask(`/v1/vms/${encodeURIComponent(vm)}/explanation`);
      const answer = parsed(text);
      if (status === 200 && answer !== undefined) return answer as Explained;
      if (status === 401 || status === 429) {
        const fault = status === 401 ? 'accept no token of the dashboard' : 'limit the requests of the dashboard';
        const right = 'sign in, or give the dashboard a token of the role admin (http.tokens)';
        throw new TagalongError('SERVER_UNREACHABLE', `the services ${fault}; ${right}`);
      }
      const { code, message } = answer?.error ?? {};
      if (typeof code !== 'string')
        throw new TagalongError(
          'SERVER_UNREACHABLE',
          'a server of dashboard.services is not Tagalong; check these addresses',
        );
      throw new TagalongError(foreignText(code, 64) as ErrorCode, foreignText(message));
    },
  };
}

/**
 * The path of a request to pass on. An escaped `..` would lead to other routes of the services: `fetch` resolves it.
 * @throws TagalongError PATH_OUTSIDE
 */
function pathOf(url: string): string {
  const { pathname, search } = new URL(url, 'http://services');
  if (pathname.startsWith('/v1/')) return pathname + search;
  throw new TagalongError('PATH_OUTSIDE', 'the path leads out of /v1; name a route of /v1');
}

async function askOne(url: string, init: RequestInit, token: string | undefined): Promise<Answer> {
  const headers = { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...init.headers };
  const limits = URL.parse(url)?.pathname.startsWith('/v1/users/') ? { ...LIMITS, withinMs: USERS_WITHIN_MS } : LIMITS;
  return fetchAnswer(url, { ...init, headers, redirect: 'error' }, limits);
}

/** The request to pass on, with its sender's credentials, and its address for services that trust this proxy (`http.trustedProxies`). */
function initOf({ method, body, ip, headers: { authorization } }: FastifyRequest): RequestInit {
  const shown = { 'x-forwarded-for': ip, ...(authorization !== undefined && { authorization }) };
  if (body === undefined || body === null) return { method, headers: shown };
  const [type, text] =
    body instanceof Lines ? ['application/x-ndjson', body.text] : ['application/json', JSON.stringify(body)];
  return { method, headers: { ...shown, 'content-type': type }, body: text };
}

function parsed(
  text: string,
): { readonly error?: { readonly code?: unknown; readonly message?: unknown } } | undefined {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

/** True if the process does not have the route. If it has the route but not the object, the answer has another code. */
function isNoRoute({ status, text }: Answer): boolean {
  return status === 404 && text.includes('"NOT_FOUND"');
}
