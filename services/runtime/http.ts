import { randomUUID } from 'node:crypto';
import type { Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import rateLimit from '@fastify/rate-limit';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';
import { refuseOtherKey } from '#shared/certificate.ts';
import { contentOf } from '#shared/config/files.ts';
import type { HttpConfig } from '#shared/config/schema.ts';
import { type AnswerCode, type ErrorCode, TagalongError } from '#shared/errors.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { type RepeatedFault, repeatedFault } from '#shared/log-repeats.ts';
import { withoutSecrets } from '#shared/token-text.ts';
import { auditRequests } from './audit.ts';
import type { AuditTrail } from './audit-trail.ts';
import { type Credentials, requireCredentials } from './auth.ts';
import { limitConnections } from './connections.ts';
import { refuseForeignPages } from './foreign-pages.ts';
import { rememberMethods } from './methods.ts';
import { watchFiles } from './watched-files.ts';

/** A body of `application/x-ndjson`: text with one JSON value a line. A JSON body that is a text is something else. */
export class Lines {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** The HTTP server of a process. Each of its services registers its routes before `listen`. */
export interface HttpSurface {
  readonly app: FastifyInstance;
  /**
   * Adds a service to `/healthz` and `/readyz`.
   * @param ready true: ready; false or a text: not ready, and why
   */
  health(service: string, ready: () => boolean | string): void;
  /**
   * Adds a dependency of all services of the process. While it is unavailable, no service is ready.
   * @param state true, or the reason why it is unavailable, which `/readyz` reports
   */
  needs(state: () => true | string): void;
  /** Resolves when the server accepts requests. If the configured port is 0, `port` is the one that the system chose. */
  listen(): Promise<{ readonly url: string; readonly port: number }>;
  /** Accepts no more requests; resolves when the pending ones are answered. */
  close(): Promise<void>;
}

/** The longest time for a request to arrive, so that slow senders do not occupy connections. */
const REQUEST_TIMEOUT_MS = 30_000;
/** How often the server looks for requests that have taken too long. */
const CHECK_CONNECTIONS_MS = 5_000;
/** Browsers take each answer for what its `content-type` says. */
const NOSNIFF = ['x-content-type-options', 'nosniff'] as const;

const STATUS: Partial<Record<ErrorCode, number>> = {
  EVENT_INVALID: 400,
  PARTITION_DIFFERS: 400,
  HELD_ELSEWHERE: 421,
  FORBIDDEN: 403,
  HOST_REFUSED: 403,
  ORIGIN_REFUSED: 403,
  PATH_OUTSIDE: 404,
  VM_UNKNOWN: 404,
  TOKEN_UNKNOWN: 404,
  SITE_UNKNOWN: 404,
  PLACE_UNKNOWN: 404,
  MIGRATION_UNKNOWN: 404,
  MOVE_REFUSED: 409,
  LAST_OPEN_SITE: 409,
  SITE_IN_USE: 409,
  HOME_FIXED: 409,
  CONFIRMATION_MISSING: 428,
  MIGRATION_PAST_CANCEL: 409,
  STORE_CONFLICT: 409,
  STORE_RECORD_UNREADABLE: 409,
  VM_SET_ASIDE: 409,
  SERVER_UNREACHABLE: 502,
  QUOTA_EXCEEDED: 429,
  BUS_OVERLOADED: 503,
  BUS_CLOSED: 503,
  ISSUER_UNREACHABLE: 503,
  BUS_UNREACHABLE: 503,
  STORE_UNREACHABLE: 503,
  SERVICE_STOPPED: 503,
};

/** Messages for clients that replace those that name internal servers. */
const INSTEAD: Partial<Record<ErrorCode, string>> = {
  BUS_UNREACHABLE: 'the bus cannot be reached at the moment; send it again later',
  STORE_UNREACHABLE: 'the store cannot be reached at the moment; send it again later',
};

/** Codes and messages of errors that have an HTTP status of their own. */
const BY_STATUS: Record<number, { code: AnswerCode; message?: string }> = {
  400: { code: 'BAD_REQUEST' },
  401: {
    code: 'UNAUTHORIZED',
    message: 'give a valid token as "Authorization: Bearer <token>"; an admin issues one with "tagalong token create"',
  },
  404: { code: 'NOT_FOUND' },
  414: { code: 'PATH_TOO_LONG', message: 'a part of the path is longer than any name may be' },
  413: {
    code: 'BODY_TOO_LARGE',
    message: 'the body is larger than http.bodyLimitBytes; send fewer elements at a time',
  },
  415: { code: 'MEDIA_TYPE_UNSUPPORTED', message: 'send application/json or application/x-ndjson' },
  429: { code: 'RATE_LIMITED', message: 'more requests a minute than http.requestsPerMinute; send several at a time' },
};

/** The parts of a server. */
export interface HttpOptions extends Credentials {
  /** Receives the records of the audit. @default the log alone has them */
  readonly trail?: Pick<AuditTrail, 'add'>;
}

/**
 * Makes the server; it accepts requests from `listen` on. Every route declares the callers that may use it (`config.access`). Bodies,
 * query strings and path parameters are not logged, because they hold users and positions. An NDJSON body arrives as one text.
 * @throws TagalongError CONFIG_UNREADABLE where the certificate cannot be read
 */
export async function createHttp(options: HttpOptions): Promise<HttpSurface> {
  const { config } = options;
  const log = serviceLog(options.log, 'http');
  const unreachable = repeatedFault(log, 'requests fail');
  const checking = { connectionsCheckingInterval: CHECK_CONNECTIONS_MS };
  const https = config.tls && { ...checking, ...(await certificateOf(config.tls)) };
  const app = Fastify({
    ...(https === undefined ? { http: checking } : { https }),
    trustProxy: config.trustedProxies.length === 0 ? false : [...config.trustedProxies],
    bodyLimit: config.bodyLimitBytes,
    genReqId: requestIds(),
    requestTimeout: REQUEST_TIMEOUT_MS,
    // A name has at most 128 characters, and the escape of one takes three.
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: (error, _request, reply) => answerPathError(error, reply),
  });
  if (config.tls !== undefined) renewCertificate(app, config.tls, log);
  // The default is a minute.
  app.server.headersTimeout = REQUEST_TIMEOUT_MS;
  limitConnections(app.server, config);
  app.setErrorHandler<FastifyError>((error, _request, reply) => answerError(error, reply, log, unreachable));
  app.addHook('onRequest', async (_request, reply) => void reply.header(...NOSNIFF));
  const methodsOf = rememberMethods(app);
  // Before the body is parsed: a request with a wrong method may have a body of any type.
  app.addHook('onRequest', async (request, reply) => {
    const methods = request.is404 ? methodsOf(request.url) : [];
    if (methods.length === 0) return;
    reply.header('allow', methods.join(', '));
    return answer(reply, 405, 'METHOD_NOT_ALLOWED', `this path has ${methods.join(', ')}, not ${request.method}`);
  });
  // A page of another server may send a form or a text without asking first. Nothing here takes either.
  app.removeContentTypeParser('text/plain');
  refuseForeignPages(app, config);
  auditRequests(app, options.log, options.trail);
  app.setNotFoundHandler((request, reply) => {
    answer(reply, 404, 'NOT_FOUND', `there is no ${request.method} of this path`);
  });
  app.addContentTypeParser(
    'application/x-ndjson',
    { parseAs: 'string' },
    async (_request: unknown, body: unknown) => new Lines(body as string),
  );
  app.addHook('onResponse', async (request, reply) => {
    const { id, method, routeOptions } = request;
    log.debug(
      { request: id, method, route: routeOptions.url, status: reply.statusCode, tookMs: reply.elapsedTime },
      'answered',
    );
  });

  await app.register(rateLimit, { max: config.requestsPerMinute, timeWindow: 60_000 });
  await requireCredentials(app, options);
  const health = healthRoutes(app);

  return {
    app,
    health: (service, ready) => void health.services.set(service, ready),
    needs: (state) => void health.needs.push(state),
    async listen() {
      await app.listen({ host: config.host, port: config.port });
      const bound = app.server.address() as AddressInfo;
      const { port } = bound;
      // The bound address: 0.0.0.0 means more than loopback.
      const host = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
      const url = `${config.tls === undefined ? 'http' : 'https'}://${host}:${port}`;
      log.info({ url }, 'listening');
      return { url, port };
    },
    close: () => app.close(),
  };
}

/** Ids of requests that differ between processes. */
function requestIds(): () => string {
  const process = randomUUID().slice(0, 8);
  let requests = 0;
  return () => `${process}-${++requests}`;
}

/** Reads certificate and key. Node's default is TLS 1.2 or newer. @throws TagalongError CONFIG_UNREADABLE */
async function certificateOf({ cert, key }: NonNullable<HttpConfig['tls']>): Promise<{ cert: Buffer; key: Buffer }> {
  const [certificate, privateKey] = await Promise.all([cert, key].map((path) => contentOf(path, 'a PEM file')));
  return { cert: certificate!, key: privateKey! };
}

/** Takes up a renewed certificate while the server runs. Open connections keep the former one. */
function renewCertificate(app: FastifyInstance, tls: NonNullable<HttpConfig['tls']>, log: Log): void {
  const read = async () => {
    const renewed = await certificateOf(tls);
    refuseOtherKey(renewed.cert, renewed.key);
    (app.server as unknown as HttpsServer).setSecureContext(renewed);
    log.info({ certificate: tls.cert }, 'the certificate was renewed');
  };
  const end = watchFiles(
    () => [tls.cert, tls.key],
    read,
    (err) => log.warn({ err }, 'the changed certificate is not used: copy cert and key that fit each other'),
  );
  app.addHook('onClose', async () => end());
}

interface Health {
  readonly services: Map<string, () => boolean | string>;
  readonly needs: (() => true | string)[];
}

/**
 * Adds `/healthz` (the process runs) and `/readyz` (it accepts work), for all services and for each. No token and no rate limit: a
 * supervisor must get an answer even while clients overload the process.
 */
function healthRoutes(app: FastifyInstance): Health {
  const services: Health['services'] = new Map();
  const needs: Health['needs'] = [];
  const report = (service: string) => {
    const missing = needs.map((state) => state()).filter((state) => state !== true);
    const ready = missing.length > 0 ? missing.join('; ') : services.get(service)!();
    if (ready === true) return { service, status: 'ready' };
    return { service, status: 'not ready', ...(ready === false ? {} : { reason: ready }) };
  };
  const unlimited = { config: { access: 'open', rateLimit: false } } as const;

  app.get('/healthz', unlimited, async () => ({ status: 'ok', services: [...services.keys()] }));
  app.get('/readyz', unlimited, async (_request, reply) => {
    const reports = [...services.keys()].map(report);
    const status = reports.every((one) => one.status === 'ready') ? 'ready' : 'not ready';
    return reply.code(status === 'ready' ? 200 : 503).send({ status, services: reports });
  });
  app.get<{ Params: { service: string } }>('/healthz/:service', unlimited, async ({ params: { service } }, reply) => {
    if (!services.has(service)) return answer(reply, 404, 'NOT_FOUND', 'no service of that name runs in this process');
    return { service, status: 'ok' };
  });
  app.get<{ Params: { service: string } }>('/readyz/:service', unlimited, async ({ params: { service } }, reply) => {
    if (!services.has(service)) return answer(reply, 404, 'NOT_FOUND', 'no service of that name runs in this process');
    const one = report(service);
    return reply.code(one.status === 'ready' ? 200 : 503).send(one);
  });
  return { services, needs };
}

function answerError(
  error: FastifyError | TagalongError,
  reply: FastifyReply,
  log: Log,
  unreachable: RepeatedFault,
): void {
  const status = error instanceof TagalongError ? STATUS[error.code] : error.statusCode;
  if (status === undefined || (status >= 500 && !(error instanceof TagalongError))) {
    const { id, routeOptions } = reply.request;
    log.error({ err: error, request: id, route: routeOptions.url }, 'a request failed');
    answer(reply, 500, 'INTERNAL', 'the server failed; its log says why');
  } else if (error instanceof TagalongError) {
    const instead = INSTEAD[error.code];
    if (instead !== undefined) unreachable.failed(error, { route: reply.request.routeOptions.url });
    answer(reply, status, error.code, instead ?? error.message);
  } else {
    const known = BY_STATUS[status] ?? { code: 'BAD_REQUEST' as const };
    answer(reply, status, known.code, known.message ?? error.message);
  }
}

/** Answers an error of the router, for which no hook runs. Its own message would repeat the path, which may name a user. */
function answerPathError({ statusCode }: FastifyError, reply: FastifyReply): void {
  reply.header(...NOSNIFF);
  if (statusCode === 414) answer(reply, 414, 'PATH_TOO_LONG', BY_STATUS[414]!.message!);
  else answer(reply, 400, 'BAD_REQUEST', 'the path has a wrong escape');
}

/** Sends an error answer, in the format that all errors share. */
export function answer(
  reply: FastifyReply,
  status: number,
  code: ErrorCode | AnswerCode,
  message: string,
): FastifyReply {
  return reply.code(status).send({ error: { code, message: withoutSecrets(message) } });
}
