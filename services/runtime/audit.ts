/** The audit: one log line for each order of a caller, and for each refused request. It contains no position and no user. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Log, serviceLog } from '#shared/log.ts';
import { foreignText } from '#shared/text.ts';

/** Logs the orders and refusals of all routes that are registered after this call. */
export function auditRequests(app: FastifyInstance, parent: Log): void {
  const log = serviceLog(parent, 'audit');
  app.addHook('onResponse', async (request, reply) => {
    const { statusCode: status } = reply;
    const isRefused = status === 401 || status === 403;
    if (!isRefused && !isOrder(request)) return;
    const { caller, ip, method, routeOptions, params } = request;
    log.info(
      {
        who: caller?.name ?? 'nobody',
        role: caller?.role ?? 'none',
        from: ip,
        what: `${method} ${routeOptions.url ?? 'no route'}`,
        on: objectsOf(params),
        outcome: isRefused ? 'refused' : status < 400 ? 'done' : 'failed',
        status,
      },
      'audit',
    );
  });
}

/** True for a request that changes something. Reports of devices are no orders: they are many, and about people. */
function isOrder({ method, routeOptions }: FastifyRequest): boolean {
  const access = routeOptions.config?.access;
  return method !== 'GET' && method !== 'HEAD' && (access === 'operate' || access === 'administer');
}

/** The objects of a request by the parameters of its path, without users. */
function objectsOf(params: unknown): Readonly<Record<string, string>> {
  const { user: _, '*': __, ...objects } = (params ?? {}) as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.entries(objects).map(([name, value]) => [name, foreignText(value, 128)]));
}
