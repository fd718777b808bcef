/** A collector of traces that accepts OTLP over HTTP as JSON, and records the spans. */
import Fastify from 'fastify';

/** A received span, with its attributes as an object. */
export interface CollectedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status: { readonly code?: number; readonly message?: string };
}

export interface Collector {
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  readonly authorizations: ReadonlySet<string | undefined>;
  stop(): Promise<void>;
}

export async function startCollector(): Promise<Collector> {
  const app = Fastify({ bodyLimit: 100_000_000 });
  const spans: CollectedSpan[] = [];
  const authorizations = new Set<string | undefined>();
  app.post('/v1/traces', async ({ body, headers }) => {
    authorizations.add(headers.authorization);
    // biome-ignore lint/suspicious/noExplicitAny: the test examines arbitrary JSON
    const { resourceSpans } = body as any;
    for (const { scopeSpans } of resourceSpans) for (const scope of scopeSpans) spans.push(...scope.spans.map(spanOf));
    return {};
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return { url, spans, authorizations, stop: () => app.close() };
}

// biome-ignore lint/suspicious/noExplicitAny: as above
function spanOf(span: any): CollectedSpan {
  const { traceId, spanId, name, links = [], status = {} } = span;
  return {
    ...{ traceId, spanId, name, links, status },
    parentSpanId: span.parentSpanId || undefined,
    fromMs: Number(span.startTimeUnixNano) / 1e6,
    toMs: Number(span.endTimeUnixNano) / 1e6,
    // biome-ignore lint/suspicious/noExplicitAny: as above
    attributes: Object.fromEntries(span.attributes.map(({ key, value }: any) => [key, Object.values(value)[0]])),
  };
}
