/**
 * Refuses requests that a page of somebody else causes in a browser: under a foreign name of the server (DNS rebinding), or from
 * another origin. Programs send no such headers, and are not concerned.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { HttpConfig } from '#shared/config/schema.ts';
import { asksForTokens } from '#shared/config/sign-in.ts';
import { TagalongError } from '#shared/errors.ts';

/** Checks every request to a route that is registered after this call. */
export function refuseForeignPages(app: FastifyInstance, config: HttpConfig): void {
  const names = config.hosts.map((name) => name.toLowerCase());
  const isOpen = !asksForTokens(config);
  app.addHook('onRequest', async (request) => {
    const { method, headers } = request;
    const mayHaveAnyName = !isOpen && isOfProgram(request);
    if (!mayHaveAnyName && !isOwnName(headers.host, names, isOpen)) {
      throw new TagalongError('HOST_REFUSED', 'host: is not a name of this server; add the name to http.hosts');
    }
    if (!isOwnPage(method, headers, names)) {
      throw new TagalongError(
        'ORIGIN_REFUSED',
        'origin: the request comes from a page of another server; open the page of this server',
      );
    }
  });
}

/**
 * True if another process calls the server by a name of its network: a dashboard passes a request on, or Prometheus reads the metrics. A
 * foreign page has no token. On an open route a made-up token would not be checked, so there it is no proof.
 */
function isOfProgram({ headers, routeOptions: { url, config } }: FastifyRequest): boolean {
  return url === '/metrics' || (headers.authorization !== undefined && config?.access !== 'open');
}

/**
 * True if a client may call the server by this name. A rebound name is never an address. Without `http.hosts` a server that asks for
 * tokens may have any name, because a foreign page has no token; an open one is localhost only.
 */
function isOwnName(host: string | undefined, names: readonly string[], isOpen: boolean): boolean {
  if (host === undefined) return true;
  const name = nameOf(`http://${host}`);
  if (name === undefined) return false;
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0 || name === 'localhost' || names.includes(name)) return true;
  return names.length === 0 && !isOpen;
}

/** True if no page, or a page of this server, causes the request. Browsers set these headers, and pages cannot change them. */
function isOwnPage(method: string, headers: IncomingHttpHeaders, names: readonly string[]): boolean {
  const reads = method === 'GET' || method === 'HEAD';
  const site = headers['sec-fetch-site'];
  if (site !== undefined) {
    // A link on another page may lead here.
    return site === 'same-origin' || site === 'none' || (reads && headers['sec-fetch-mode'] === 'navigate');
  }
  const { origin, host } = headers;
  if (origin === undefined || reads) return true;
  const name = nameOf(origin);
  return name !== undefined && (URL.parse(origin)?.host === host?.toLowerCase() || names.includes(name));
}

function nameOf(url: string): string | undefined {
  return URL.parse(url)?.hostname;
}
