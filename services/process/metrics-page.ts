/** The page of all metrics, made from the metrics themselves: services/monitor/METRICS.md. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { memoryBus } from '#shared/bus/memory.ts';
import { virtualClock } from '#shared/clock/virtual.ts';
import { DEFAULT_CONFIG } from '#shared/config/load.ts';
import { kafkaCounters } from '#shared/kafka/counters.ts';
import { createLog } from '#shared/log.ts';
import { natsCounters } from '#shared/nats/counters.ts';
import { memoryStore } from '#shared/store/memory.ts';
import { SetAside } from '#shared/store/set-aside.ts';
import { createMonitor } from '../monitor/service.ts';
import { createExposition, type Exposition } from '../runtime/exposition.ts';
import { createHttp } from '../runtime/http.ts';
import { simulatedMachines } from '../sites/hosts/simulated.ts';
import { MODULES, type Process } from './modules.ts';
import { observeConnections, observeProcess, observeSetAside } from './observe.ts';

/** One metric, as a reader needs to know it. */
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

/** The services that count something themselves, and the titles of their sections. */
const COUNTING = [
  ['ingest', 'Ingest'],
  ['placement', 'Placement'],
  ['migrator', 'The migrator'],
  ['dashboard', 'The dashboard'],
] as const;

/** All metrics of Tagalong's own, by the processes that have them. Nothing is started: the registries are read. */
export async function metricSections(): Promise<Section[]> {
  const clock = virtualClock(0);
  const log = createLog('silent');
  const [bus, store, config] = [memoryBus({ partitions: 1 }), memoryStore(), DEFAULT_CONFIG];
  const machines = simulatedMachines(config, clock);
  const process: Process = {
    ...{ config, clock, bus, store, log, machines, setAside: new SetAside({ log, clock }), isAlone: true },
  };
  const every = createExposition();
  observeProcess(every);
  observeSetAside(every, process.setAside);
  const surface = await createHttp({ config: config.http, log });
  every.registerMetrics(surface);
  await surface.close();
  const connection = createExposition();
  observeConnections(connection, { ...bus, counters: { ...natsCounters(), ...kafkaCounters() } }, store);
  const { registry } = createMonitor({ bus, store, clock, log });
  return [
    { title: 'The monitor: what happens on the bus', metrics: documented(registry) },
    ...COUNTING.map(([name, title]) => ({ title, metrics: documented(metricsOf(name, process).registry) })),
    { title: 'Every process', metrics: documented(every.registry) },
    {
      title: 'Every process: its connections; but for the first two where the bus is a server',
      metrics: documented(connection.registry),
    },
  ];
}

function metricsOf(name: (typeof COUNTING)[number][0], process: Process): Exposition {
  const exposition = createExposition();
  MODULES[name].create(process, {}).metrics?.(exposition);
  return exposition;
}

/** Without Node's own metrics (`process_…`, `nodejs_…`): prom-client documents these. */
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

Made from the code by \`npm run generate\`. Every process answers \`GET /metrics\` in Prometheus' text format, without a token: no label
holds a user, a position or a VM. Units are in the names; a label's values are few, and beyond 50 of them the rest is \`other\`.
Sum over processes of a service: each has its share. \`tagalong up\` has all of them in one.

Beside these every process has what Node.js says of itself: \`process_…\` (processor, memory, open files) and \`nodejs_…\` (event loop, heap,
garbage collection).
`;

/** The page's text. */
export async function metricsPage(): Promise<string> {
  const sections = await metricSections();
  const tables = sections.map(({ title, metrics }) => {
    const rows = metrics.map(({ name, type, labels, help }) => {
      const named = labels.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${named} | ${help} |`;
    });
    return `\n## ${title}\n\n| metric | type | labels | what it says |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  });
  return HEAD + tables.join('');
}
