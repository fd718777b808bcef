/**
 * Where the dashboard runs alone: what its pages ask of other services goes to the processes of `dashboard.services`, one
 * after the other until one is the one to ask. A page may ask only the process that it came from.
 */
import type { FastifyRequest } from 'fastify';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { type Answer, fetchAnswer } from '#shared/http/answer.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import { foreignText } from '#shared/text.ts';
import type { HttpSurface } from '../runtime/http.ts';

/** The longest answer lists all VMs. */
const LIMITS = { mostBytes: 64 * 2 ** 20, withinMs: 10_000 };

/** Asks the other processes. */
export interface Relay {
  /** Adds `/v1/*`, which asks for the token like everything under /v1, for all that this process has not got itself. */
  registerHttp(surface: HttpSurface): void;
  /** @throws TagalongError VM_UNKNOWN, HELD_ELSEWHERE, SERVER_UNREACHABLE */
  explain(vm: string): Promise<Explained>;
}

/**
 * @param services addresses of the other processes
 * @param token what all of them ask for
 */
export function createRelay(services: readonly string[], token: string | undefined): Relay {
  const ask = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    let telling: Answer | undefined;
    for (const base of services) {
      const answer = await askOne(base.replace(/\/+$/, '') + path, init, token).catch(() => undefined);
      if (answer === undefined) continue;
      if (answer.status !== 421 && !isNoRoute(answer)) return answer;
      if (telling === undefined || answer.status === 421) telling = answer;
    }
    if (telling !== undefined) return telling;
    const right = services.length === 0 ? 'give their addresses as dashboard.services' : services.join(', ');
    throw new TagalongError('SERVER_UNREACHABLE', `no other service answers the dashboard: ${right}`);
  };

  return {
    registerHttp({ app }) {
      app.all('/v1/*', async (request, reply) => {
        const { status, text } = await ask(request.url, initOf(request));
        return reply.code(status).type('application/json').send(text);
      });
    },
    async explain(vm) {
      const { status, text } = await ask(`/v1/vms/${encodeURIComponent(vm)}/explanation`);
      const answer = parsed(text);
      if (status === 200 && answer !== undefined) return answer as Explained;
      const { code, message } = answer?.error ?? {};
      if (typeof code !== 'string') throw new TagalongError('SERVER_UNREACHABLE', 'what answers there is not Tagalong');
      throw new TagalongError(foreignText(code, 64) as ErrorCode, foreignText(message));
    },
  };
}

async function askOne(url: string, init: RequestInit, token: string | undefined): Promise<Answer> {
  const headers = { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...init.headers };
  return fetchAnswer(url, { ...init, headers, redirect: 'error' }, LIMITS);
}

/** The request to pass on, with the credentials of its sender. */
function initOf({ method, body, headers: { authorization } }: FastifyRequest): RequestInit {
  const shown = authorization === undefined ? undefined : { authorization };
  if (body === undefined || body === null) return { method, ...(shown && { headers: shown }) };
  const isText = typeof body === 'string';
  const headers = { ...shown, 'content-type': isText ? 'application/x-ndjson' : 'application/json' };
  return { method, headers, body: isText ? body : JSON.stringify(body) };
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

/** The process does not know the path; what it knows and has not got has a code of its own. */
function isNoRoute({ status, text }: Answer): boolean {
  return status === 404 && text.includes('"NOT_FOUND"');
}
