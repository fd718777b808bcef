/**
 * W3C trace contexts of moves, as CloudEvents carry them (distributed tracing extension). They are computed, not drawn: every
 * process gives the same move the same trace, also after a restart, and a repeated event is the same to the last byte.
 */

const FNV_PRIME = 0x01000193;
const FORM = /^00-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}$/;
const ZEROES = /^0*$/;

/** A context, taken apart: hexadecimal, as in W3C Trace Context level 1. */
export interface TraceContext {
  /** 32 digits. */
  readonly traceId: string;
  /** 16 digits. */
  readonly spanId: string;
}

/** The trace of the move that was decided at that time. A decision's id alone comes back where an installation begins anew. */
export function traceOf(decision: string, decidedAtMs: number): TraceContext {
  const name = `${decision}@${decidedAtMs}`;
  return { traceId: hexOf(name, 4), spanId: hexOf(`root of ${name}`, 2) };
}

/** The id of a part of a trace. */
export function spanIdOf({ traceId }: TraceContext, name: string): string {
  return hexOf(`${name} of ${traceId}`, 2);
}

/** Version 00, sampled. */
export function traceparentOf({ traceId, spanId }: TraceContext): string {
  return `00-${traceId}-${spanId}-01`;
}

/** @returns undefined where it is none: what others send is not to be believed */
export function readTraceparent(text: unknown): TraceContext | undefined {
  const [, traceId = '', spanId = ''] = (typeof text === 'string' && FORM.exec(text)) || [];
  return ZEROES.test(traceId) || ZEROES.test(spanId) ? undefined : { traceId, spanId };
}

/** So many words of 32 bits, each FNV-1a of the name and its place, with the finish of MurmurHash3 for the short names. */
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
