/** Metrics of the requests over HTTP, by route. */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { HttpSurface } from './http.ts';

const REFUSED: readonly number[] = [401, 403, 429];

/**
 * Counts the answers of a surface, and measures how long they took. A route is the registered pattern, never the requested path,
 * which may name a VM or a user.
 */
export function observeRequests(registry: Registry, { app }: HttpSurface): void {
  const registers = [registry];
  const labelNames = ['method', 'route', 'status'] as const;
  const requests = new Counter({
    name: 'tagalong_http_requests_total',
    help: 'Requests that were answered, by method, route and status.',
    labelNames,
    registers,
  });
  const duration = new Histogram({
    name: 'tagalong_http_request_duration_seconds',
    help: 'From the arrival of a request until its answer was sent.',
    labelNames: ['route'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5],
    registers,
  });
  const refused = new Counter({
    name: 'tagalong_http_refused_total',
    help: 'Requests that were refused: without a valid token (401), by role, name or origin (403), or because there were too many (429).',
    labelNames: ['status'],
    registers,
  });
  for (const status of REFUSED) refused.inc({ status }, 0);
  app.addHook('onResponse', async ({ method, routeOptions: { url } }, { statusCode, elapsedTime }) => {
    // A client may invent any number of methods for paths that do not exist.
    const route = url ?? 'none';
    requests.inc({ method: url === undefined ? 'other' : method, route, status: statusCode });
    duration.observe({ route }, elapsedTime / 1000);
    if (REFUSED.includes(statusCode)) refused.inc({ status: statusCode });
  });
}
