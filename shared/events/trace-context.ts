/**
 * W3C trace contexts of moves, which CloudEvents carry (distributed tracing extension). They are computed instead of random: every process
 * gives a move the same trace, also after a restart, and a repeated event has exactly the same bytes.
 */

const FNV_PRIME = 0x01000193;
const FORM = /^00-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}$/;
const ZEROES = /^0*$/;

/** The parts of a context, hexadecimal, as in W3C Trace Context level 1. */
export interface TraceContext {
  /** 32 digits. */
  readonly traceId: string;
  /** 16 digits. */
  readonly spanId: string;
}

/** The trace of a move. It depends on the time of the decision too, because a new installation uses the ids of decisions again. */
export function traceOf(decision: string, decidedAtMs: number): TraceContext {
  const name = `${decision}@${decidedAtMs}`;
  return { traceId: hexOf(name, 4), spanId: hexOf(`root of ${name}`, 2) };
}

/** The span id of a named part of a trace. */
export function spanIdOf({ traceId }: TraceContext, name: string): string {
  return hexOf(`${name} of ${traceId}`, 2);
}

/** The `traceparent` header of a context: version 00, sampled. */
export function traceparentOf({ traceId, spanId }: TraceContext): string {
  return `00-${traceId}-${spanId}-01`;
}

/** Parses a `traceparent`, which may come from anybody. @returns undefined if it is not valid */
export function readTraceparent(text: unknown): TraceContext | undefined {
  const [, traceId = '', spanId = ''] = (typeof text === 'string' && FORM.exec(text)) || [];
  return ZEROES.test(traceId) || ZEROES.test(spanId) ? undefined : { traceId, spanId };
}

/** Words of 32 bits, each the FNV-1a hash of its index and the name. The finalizer of MurmurHash3 mixes the bits of short names. */
function hexOf(name: string, words: number): string {
  let text = '';
  for (let word = 0; word < words; word++) {
    let hash = 0x811c9dc5 ^ Math.imul(word + 1, 0x9e3779b1);
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), FNV_PRIME);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    text += ((hash ^ (hash >>> 16)) >>> 0).toString(16).padStart(8, '0');
  }
  return text;
}
