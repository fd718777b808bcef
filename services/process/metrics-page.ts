/** The page of all metrics, services/monitor/METRICS.md, which is generated from the metrics. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { memoryBus } from '#shared/bus/memory.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { kafkaCounters } from '#shared/kafka/counters.ts';
import { createLog } from '#shared/log.ts';
import { natsCounters } from '#shared/nats/counters.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import { createNames } from '../ingest/names.ts';
import { createMonitor } from '../monitor/service.ts';
import { createExposition, type Exposition } from '../runtime/exposition.ts';
import { createHttp } from '../runtime/http.ts';
import { createTokens } from '../runtime/tokens.ts';
import { simulatedMachines } from '../sites/hosts/simulated.ts';
import { MODULES, type Process } from './modules.ts';
import { observeAudit, observeConnections, observeHeldEvents, observeProcess, observeSetAside } from './observe.ts';

/** One metric for the page. */
export interface Documented {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

/** The metrics of one service, or of every process. */
export interface Section {
  readonly title: string;
  readonly metrics: readonly Documented[];
}

/** The services with their own metrics, and the titles of their sections. */
const COUNTING = [
  ['ingest', 'Ingest'],
  ['placement', 'Placement'],
  ['migrator', 'The migrator'],
  ['dashboard', 'The dashboard'],
  ['tracer', 'The tracer'],
  ['webhooks', 'Webhooks'],
] as const;

/** All metrics of Tagalong, by the processes that have them. The function reads the registries, and starts nothing. */
export async function metricSections(): Promise<Section[]> {
  const clock = virtualClock(0);
  const log = createLog('silent');
  const [bus, store, config] = [memoryBus({ partitions: 1 }), memoryStore(), DEFAULT_CONFIG];
  const machines = simulatedMachines(config, clock);
  const tokens = createTokens(store, clock);
  const process: Process = {
    ...{ config, clock, bus, store, log, machines, setAside: new SetAside({ log, clock }), isAlone: true },
    ...{ tokens, names: createNames(config.ingest, tokens) },
  };
  const every = createExposition();
  observeProcess(every);
  observeHeldEvents(every, { refused: { future: 0, 'unknown-site': 0 } });
  observeSetAside(every, process.setAside);
  observeAudit(every, { lost: 0 });
  const surface = await createHttp({ config: config.http, log });
  every.registerMetrics(surface);
  await surface.close();
  const connection = createExposition();
  observeConnections(connection, { ...bus, counters: { ...natsCounters(), ...kafkaCounters() } }, store);
  const { registry } = createMonitor({ bus, store, clock, log, partitions: 1 });
  return [
    { title: 'The monitor: what happens on the bus', metrics: documented(registry) },
    ...COUNTING.map(([name, title]) => ({ title, metrics: documented(metricsOf(name, process).registry) })),
    { title: 'Every process', metrics: documented(every.registry) },
    {
      title: 'Every process: connections (all but the first two only if the bus is a server)',
      metrics: documented(connection.registry),
    },
  ];
}

function metricsOf(name: (typeof COUNTING)[number][0], process: Process): Exposition {
  const exposition = createExposition();
  MODULES[name].create(process, {}).metrics?.(exposition);
  return exposition;
}

/** The metrics of a registry, without those of Node (`process_…`, `nodejs_…`), which prom-client documents. */
function documented(registry: Registry): Documented[] {
  return registry
    .getMetricsAsArray()
    .filter(({ name }) => name.startsWith('tagalong_'))
    .map((metric) => {
      const { name, help, labelNames } = metric as typeof metric & { labelNames: string[] };
      return { name, help, labels: labelNames, type: typeOf(metric) };
    });
}

function typeOf(metric: unknown): Documented['type'] {
  if (metric instanceof Histogram) return 'histogram';
  if (metric instanceof Counter) return 'counter';
  if (metric instanceof Gauge) return 'gauge';
  throw new TypeError('a metric of an unknown kind');
}

const HEAD = `# Metrics

This page lists all metrics. \`npm run generate\` makes it from the code. Every process answers \`GET /metrics\` in the text format of
Prometheus, without a token: no label contains a user, a position or a VM. Units are in the names. A label has at most 50 values; all
further values become \`other\`. Sum over the processes of a service, because each counts a part. \`tagalong up\` has all metrics in one
process.

Every process also has the metrics of Node.js: \`process_…\` (processor, memory, open files) and \`nodejs_…\` (event loop, heap, garbage
collection).
`;

/** The text of the page. */
export async function metricsPage(): Promise<string> {
  const sections = await metricSections();
  const tables = sections.map(({ title, metrics }) => {
    const rows = metrics.map(({ name, type, labels, help }) => {
      const named = labels.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${named} | ${help} |`;
    });
    return `\n## ${title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  });
  return HEAD + tables.join('');
}
