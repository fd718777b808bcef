/** Sends spans to a collector by OTLP over HTTP. */
import { ROOT_CONTEXT, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { TraceContext } from '#shared/events/index.ts';
import type { MoveSpan } from './spans.ts';

/** The connection to a collector. */
export interface SpanExport {
  /** Sends a span some seconds later, together with others. */
  record(span: MoveSpan): void;
  /** Resolves when all spans have been sent, or sending has failed. */
  close(): Promise<void>;
}

/** Opens the export. @param otlpUrl the address of the collector, without the path of traces */
export function exportSpans(otlpUrl: string, token: string | undefined): SpanExport {
  const next: { context?: TraceContext } = {};
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'tagalong' }),
    // The spans have the ids that the events carry.
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
  return {
    record({ context, parentId, name, fromMs, toMs, attributes, links = [], fault }: MoveSpan) {
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
    },
    close: () => provider.shutdown(),
  };
}

const plain = (value: string | number | readonly string[]) => (typeof value === 'object' ? [...value] : value);
