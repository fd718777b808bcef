/** Tracer: sends each move on the bus as an OpenTelemetry trace, by OTLP over HTTP. */
import type { Bus, Subscription } from '#shared/bus/bus.ts';
import type { Clock } from '#shared/clock/clock.ts';
import type { Config } from '#shared/config/schema.ts';
import { type Event, TERMINAL_TYPES } from '#shared/events/index.ts';
import { type Log, serviceLog } from '#shared/log.ts';
import { isEnd } from '#shared/migration/outcome.ts';
import type { Store } from '#shared/store/store.ts';
import { moveCheck } from '../runtime/move-check.ts';
import type { SpanExport } from './export.ts';
import { type Decided, spansOf } from './spans.ts';

/** The running tracer. */
export interface Tracer {
  /** Events that got no trace, because placement did not order such a move. */
  readonly refused: number;
  start(): Promise<void>;
  /** Resolves when the traces of all ended moves have been sent, or sending has failed. */
  stop(): Promise<void>;
}

const TYPES = ['placement.decided.v1', ...TERMINAL_TYPES] as const;
/** The most decisions that wait for the end of their move. If there are more, the oldest moves never began. */
const REMEMBERED = 10_000;

/** The parts that the tracer uses. */
export interface TracerOptions {
  readonly bus: Bus;
  /** Has the records of placement and of the migrator. */
  readonly store: Store;
  readonly clock: Clock;
  readonly config: Pick<Config, 'tracing' | 'bus'>;
  readonly log: Log;
}

/** Makes the tracer; undefined without `tracing.otlpUrl`. A move has no trace if the process restarts before the end of the move. */
export function createTracer({ bus, store, clock, config, log: parent }: TracerOptions): Tracer | undefined {
  const { otlpUrl, token } = config.tracing;
  if (otlpUrl === undefined) return undefined;
  const log = serviceLog(parent, 'tracer');
  const check = moveCheck({ store, clock, log, partitions: config.bus.partitions });
  const decisions = new Map<string, Decided>();
  let spans: SpanExport | undefined;
  let subscription: Subscription | undefined;

  const observe = (event: Event) => {
    if (event.type === 'placement.decided.v1') {
      if (event.data.verdict === 'move') remember(decisions, event);
      return;
    }
    if (!isEnd(event)) return;
    const decided = decisions.get(event.data.migration);
    // Only the first end has a decision: a repeated event changes nothing.
    if (decided === undefined) return;
    decisions.delete(event.data.migration);
    for (const span of spansOf(decided, event)) spans?.record(span);
  };

  return {
    get refused() {
      return check.refused;
    },
    async start() {
      // The libraries of OpenTelemetry are loaded only if a collector is configured.
      const { exportSpans } = await import('./export.ts');
      spans = exportSpans(otlpUrl, token);
      subscription = await bus.subscribe({ group: 'tracer', types: TYPES }, async (batch) => {
        for (const { event } of batch) if (await check.admits(event)) observe(event);
      });
    },
    async stop() {
      await subscription?.stop();
      subscription = undefined;
      await spans?.close();
      spans = undefined;
    },
  };
}

function remember(decisions: Map<string, Decided>, event: Decided): void {
  const [oldest] = decisions.keys();
  if (decisions.size >= REMEMBERED && oldest !== undefined) decisions.delete(oldest);
  decisions.set(event.data.decision, event);
}
