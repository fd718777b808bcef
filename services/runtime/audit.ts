/**
 * The audit: one record for each order of a caller, and for each refused request, in the log and on the bus. It contains no position, no
 * user and no token.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MAX_CALLER, type RequestAudited } from '#shared/events/audit-type.ts';
import { MAX_NAME, MAX_WORD } from '#shared/events/bounds.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { foreignText } from '#shared/text.ts';
import { withoutSecrets } from '#shared/token-text.ts';
import type { AuditTrail } from './audit-trail.ts';
import { type Caller, EVERYBODY } from './caller.ts';

/** The most lines a second about callers without a name: anybody can cause them. */
const MOST_UNNAMED_PER_S = 50;
/** The members of orders that are recorded, if they are texts, numbers or switches. */
const TOLD = ['draining', 'force', 'paused', 'to', 'home', 'role', 'expiresInMs'] as const;

/** Records the orders and refusals of all routes that are registered after this call. @param trail the records on the bus */
export function auditRequests(app: FastifyInstance, parent: Log, trail?: Pick<AuditTrail, 'add'>): void {
  const log = serviceLog(parent, 'audit');
  const unnamed = unnamedLines(log);
  app.addHook('onClose', async () => unnamed.close());
  app.addHook('onResponse', async (request, reply) => {
    const { statusCode: status } = reply;
    const isRefused = status === 401 || status === 403;
    if (!isRefused && !isOrder(request)) return;
    const { id, caller, ip, method, routeOptions, params, body } = request;
    const record: Omit<RequestAudited, 'atMs'> = {
      request: id,
      who: caller === undefined ? 'nobody' : callerName(caller),
      role: caller?.role ?? 'none',
      from: foreignText(ip, MAX_WORD),
      what: foreignText(`${method} ${routeOptions.url ?? 'no route'}`, 256),
      on: { ...objectsOf(params), ...made.get(request) },
      with: toldOf(body),
      outcome: isRefused ? 'refused' : status < 400 ? 'done' : 'failed',
      status,
    };
    trail?.add(record);
    if (caller !== undefined || unnamed.mayAdd()) log.info(record, 'audit');
  });
}

/** The name of a caller as events and records have it: a foreign text, because an identity provider may have chosen it. */
export function callerName({ name }: { readonly name: string }): string {
  return withoutSecrets(foreignText(name, MAX_CALLER)) || 'unnamed';
}

/** The name of a caller for the events of an order; undefined where the server asks for no tokens, so that nobody has a name. */
export function orderedBy(caller: Caller): string | undefined {
  return caller === EVERYBODY ? undefined : callerName(caller);
}

const made = new WeakMap<FastifyRequest, Readonly<Record<string, string>>>();

/** Adds an object that a request made to the request's record, such as the id of a new token. */
export function auditMade(request: FastifyRequest, objects: Readonly<Record<string, string>>): void {
  made.set(request, objects);
}

/** Bounds the lines about callers without a name. After each second it logs how many it has left out. */
function unnamedLines(log: Log): { mayAdd(): boolean; close(): void } {
  let lines = 0;
  let timer: NodeJS.Timeout | undefined;
  const close = () => {
    clearTimeout(timer);
    timer = undefined;
    const leftOut = lines - MOST_UNNAMED_PER_S;
    lines = 0;
    if (leftOut > 0) log.warn({ who: 'nobody', leftOut }, 'audit: lines about callers without a name are left out');
  };
  return {
    mayAdd() {
      timer ??= setTimeout(close, 1_000).unref();
      lines++;
      return lines <= MOST_UNNAMED_PER_S;
    },
    close,
  };
}

/** True for a request that changes something. Reports of devices are no orders: they are many, and about people. */
function isOrder({ method, routeOptions }: FastifyRequest): boolean {
  const access = routeOptions.config?.access;
  return method !== 'GET' && method !== 'HEAD' && (access === 'operate' || access === 'administer');
}

/** The objects of a request by the parameters of its path, without users. */
function objectsOf(params: unknown): Record<string, string> {
  const { user: _, '*': __, ...objects } = (params ?? {}) as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.entries(objects).map(([name, value]) => [name, shown(value)]));
}

function toldOf(body: unknown): Record<string, string> {
  if (typeof body !== 'object' || body === null) return {};
  const told = TOLD.flatMap((name): [string, string][] => {
    const value = Object.hasOwn(body, name) ? (body as Record<string, unknown>)[name] : undefined;
    return ['string', 'number', 'boolean'].includes(typeof value) ? [[name, shown(String(value))]] : [];
  });
  return Object.fromEntries(told);
}

function shown(value: unknown): string {
  return withoutSecrets(foreignText(value, MAX_NAME));
}
