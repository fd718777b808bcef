/** Tracer: the moves on the bus as OpenTelemetry traces, sent by OTLP over HTTP. */
import { ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Event, TraceContext } from '#shared/events/index.ts';
import { type Decided, type End, type MoveSpan, spansOf } from './spans.ts';

export interface Tracer {
  start(): Promise<void>;
  /** Resolves when what has ended is sent, or cannot be. */
  stop(): Promise<void>;
}

const TYPES = [
  'placement.decided.v1',
  'migration.completed.v1',
  'migration.failed.v1',
  'migration.cancelled.v1',
] as const;
/** Decisions whose move has not ended; more than that never began. */
const REMEMBERED = 10_000;

/** Where `tracing.otlpUrl` is configured. A move that ends after the process was started anew has no trace. */
export function createTracer({ bus, config }: { readonly bus: Bus; readonly config: Config }): Tracer | undefined {
  const { otlpUrl, token } = config.tracing;
  if (otlpUrl === undefined) return undefined;
  const decisions = new Map<string, Decided>();
  const next: { context?: TraceContext } = {};
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'tagalong' }),
    // The ids are those that the events carry.
    idGenerator: { generateTraceId: () => next.context!.traceId, generateSpanId: () => next.context!.spanId },
    spanProcessors: [
      new BatchSpanProcessor(
        new OTLPTraceExporter({
          url: `${otlpUrl.replace(/\/+$/, '')}/v1/traces`,
          ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
        }),
      ),
    ],
  });
  const tracer = provider.getTracer('tagalong');
  let subscription: Subscription | undefined;

  const record = ({ context, parentId, name, fromMs, toMs, attributes, links = [], fault }: MoveSpan) => {
    const { traceId } = context;
    const sampled = { traceFlags: TraceFlags.SAMPLED };
    const parent =
      parentId === undefined
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: parentId, ...sampled });
    next.context = context;
    const span = tracer.startSpan(
      name,
      {
        startTime: fromMs,
        attributes: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, plain(value)])),
        links: links.map((link) => ({ context: { ...link, ...sampled, isRemote: true } })),
      },
      parent,
    );
    if (fault !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: fault });
    span.end(toMs);
  };
  const observe = (event: Event) => {
    if (event.type === 'placement.decided.v1') {
      if (event.data.verdict === 'move') remember(decisions, event);
      return;
    }
    const end = event as End;
    const decided = decisions.get(end.data.migration);
    // The first end is the one; a repeat finds nothing.
    if (decided === undefined) return;
    decisions.delete(end.data.migration);
    for (const span of spansOf(decided, end)) record(span);
  };

  return {
    async start() {
      subscription = await bus.subscribe({ group: 'tracer', types: TYPES }, async (batch) => {
        for (const { event } of batch) observe(event);
      });
    },
    async stop() {
      await subscription?.stop();
      subscription = undefined;
      await provider.shutdown();
    },
  };
}

function remember(decisions: Map<string, Decided>, event: Decided): void {
  const [oldest] = decisions.keys();
  if (decisions.size >= REMEMBERED && oldest !== undefined) decisions.delete(oldest);
  decisions.set(event.data.decision, event);
}

const plain = (value: string | number | readonly string[]) => (typeof value === 'object' ? [...value] : value);
