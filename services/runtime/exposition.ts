/** The metrics of a process, in the format of Prometheus. Some are read by callback at each scrape. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { HttpSurface } from './http.ts';
import { observeRequests } from './requests.ts';

/** One value of a metric that is read by callback. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The metrics of a process. */
export interface Exposition {
  readonly registry: Registry;
  /** All metrics in the Prometheus text format. */
  metrics(): Promise<string>;
  /** Adds a metric that is read at each scrape. The name ends in its unit. */
  gauge(name: string, help: string, labels: readonly string[], read: () => Iterable<Sample>): void;
  /** The same for a total that only grows; the name ends in `_total`. */
  counter(name: string, help: string, labels: readonly string[], read: () => Iterable<Sample>): void;
  /**
   * Adds `GET /metrics`, which is open: scrapers carry no token, and no metric holds a user or a position. Requests
   * over HTTP are counted from then on.
   */
  registerMetrics(surface: HttpSurface): void;
}

/** Makes an empty registry. */
export function createExposition(): Exposition {
  const registry = new Registry();
  const byCallback =
    (Kind: typeof Gauge | typeof Counter): Exposition['gauge'] =>
    (name, help, labels, read) => {
      new Kind({
        name,
        help,
        labelNames: [...labels],
        registers: [registry],
        collect() {
          this.reset();
          for (const sample of read()) this.inc(sample.labels, sample.value);
        },
      });
    };
  return {
    registry,
    metrics: () => registry.metrics(),
    gauge: byCallback(Gauge),
    counter: byCallback(Counter),
    registerMetrics(surface) {
      const { app } = surface;
      observeRequests(registry, surface);
      // Without a rate limit: metrics matter most while the process is under load.
      app.get('/metrics', { config: { access: 'open', rateLimit: false } }, async (_request, reply) =>
        reply.type(registry.contentType).send(await registry.metrics()),
      );
    },
  };
}
