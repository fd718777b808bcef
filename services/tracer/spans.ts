/** The spans of one move: from the position that led to the decision to the end of the move, phase by phase. */
import {
  type Data,
  type Event,
  type Figures,
  PHASES,
  readTraceparent,
  spanIdOf,
  type TraceContext,
  traceOf,
} from '#shared/events/index.ts';
import { type EndFact, endOf } from '#shared/migration/outcome.ts';

/** A span, as data. */
export interface MoveSpan {
  readonly context: TraceContext;
  /** Absent for the span of the whole move. */
  readonly parentId?: string;
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly attributes: Readonly<Record<string, string | number | readonly string[]>>;
  /** The contexts of the spans that caused this one. */
  readonly links?: readonly TraceContext[];
  /** Why the move failed. */
  readonly fault?: string;
}

/** An event that ends a move. */
export type End = Extract<Event, { type: EndFact['type'] }>;
/** An event that decides a move. */
export type Decided = Extract<Event, { type: 'placement.decided.v1' }>;

/** The spans of an ended move, that of the whole move first. They contain neither users nor positions. */
export function spansOf(decided: Decided, end: End): MoveSpan[] {
  const { decision, atMs: decidedAtMs, explanation } = decided.data;
  const root = traceOf(decision, decidedAtMs);
  const seenAtMs = decidedAtMs - explanation.oldestFixAgeMs;
  const { figures, atMs: endedAtMs } = end.data;
  const startedAtMs = endedAtMs - figures.durationMs;
  const cause = readTraceparent(decided.causedby);
  const part = (name: string, fromMs: number, toMs: number, rest: Partial<MoveSpan> = {}): MoveSpan => ({
    context: { traceId: root.traceId, spanId: spanIdOf(root, name) },
    parentId: root.spanId,
    ...{ name, fromMs, toMs, attributes: {} },
    ...rest,
  });
  const fault = faultOf(end);
  return [
    {
      ...{ context: root, name: 'move', fromMs: seenAtMs, toMs: endedAtMs },
      attributes: { ...attributesOf(decided.data), ...measuredOf(figures), 'tagalong.outcome': endOf(end).outcome },
      ...(fault !== undefined && { fault }),
    },
    part('decide', seenAtMs, decidedAtMs, {
      attributes: { 'tagalong.reason': decided.data.reason, 'tagalong.policy': explanation.policy },
      ...(cause && { links: [cause] }),
    }),
    part('queue', decidedAtMs, Math.max(decidedAtMs, startedAtMs)),
    ...phasesOf(figures, startedAtMs).map(({ name, fromMs, toMs }) => part(name, fromMs, toMs)),
  ];
}

function phasesOf({ phaseMs = {} }: Figures, startedAtMs: number) {
  let fromMs = startedAtMs;
  return PHASES.flatMap((name) => {
    const tookMs = phaseMs[name];
    if (tookMs === undefined) return [];
    const phase = { name, fromMs, toMs: fromMs + tookMs };
    fromMs = phase.toMs;
    return [phase];
  });
}

function attributesOf({ vm, from, to, source, decision, prediction }: Data<'placement.decided.v1'>) {
  return {
    'tagalong.vm': vm,
    'tagalong.migration': decision,
    'tagalong.from': from,
    'tagalong.to': to,
    'tagalong.source': source,
    ...(prediction && {
      'tagalong.predicted.duration_ms': prediction.durationMs,
      'tagalong.predicted.interruption_ms': prediction.interruptionMs,
    }),
  };
}

function measuredOf({ pauseMs, interruptionMs, bytes, rounds, subflows, degraded }: Figures) {
  return {
    'tagalong.pause_ms': pauseMs,
    'tagalong.interruption_ms': interruptionMs,
    'tagalong.bytes': bytes,
    'tagalong.rounds': rounds,
    'tagalong.subflows': subflows,
    'tagalong.degraded': degraded,
  };
}

function faultOf(end: End): string | undefined {
  if (end.type === 'migration.completed.v1') return undefined;
  if (end.type === 'migration.cancelled.v1') return `cancelled by ${end.data.by}`;
  return `${end.data.code}: ${end.data.reason}`;
}
