/** The audit: one log line for each order of a caller, and for each refused request. It contains no position and no user. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Log, serviceLog } from '#shared/log.ts';
import { foreignText } from '#shared/text.ts';
import { withoutSecrets } from '#shared/token-text.ts';

/** The most lines a second about callers without a name: anybody can cause them. */
const MOST_UNNAMED_PER_S = 50;

/** Logs the orders and refusals of all routes that are registered after this call. */
export function auditRequests(app: FastifyInstance, parent: Log): void {
  const log = serviceLog(parent, 'audit');
  const unnamed = unnamedLines(log);
  app.addHook('onClose', async () => unnamed.close());
  app.addHook('onResponse', async (request, reply) => {
    const { statusCode: status } = reply;
    const isRefused = status === 401 || status === 403;
    if (!isRefused && !isOrder(request)) return;
    const { caller, ip, method, routeOptions, params } = request;
    if (caller === undefined && !unnamed.mayAdd()) return;
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
function objectsOf(params: unknown): Readonly<Record<string, string>> {
  const { user: _, '*': __, ...objects } = (params ?? {}) as Readonly<Record<string, unknown>>;
  const shown = (value: unknown) => withoutSecrets(foreignText(value, 128));
  return Object.fromEntries(Object.entries(objects).map(([name, value]) => [name, shown(value)]));
}
