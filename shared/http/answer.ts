/**
 * The answers of peers over HTTP. A peer may send without end, a byte a second, or nothing at all: each answer has a limit
 * of bytes and a deadline for the whole of it, from the request to the last byte.
 */
import { TagalongError } from '../errors.ts';

/** What is taken of an answer. */
export interface AnswerLimits {
  readonly mostBytes: number;
  /** For the whole of it. */
  readonly withinMs: number;
}

/** An answer as it came. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/**
 * Reads a body to its end. One that is too long is left unread, and its connection closed.
 * @throws TagalongError ANSWER_TOO_LONG, and what the body itself throws
 */
export async function readBounded(body: AsyncIterable<Uint8Array>, mostBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.byteLength;
    if (bytes > mostBytes) throw new TagalongError('ANSWER_TOO_LONG', `more than ${mostBytes} bytes came as an answer`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes).toString();
}

/**
 * Like `fetch`, with the whole answer.
 * @throws TagalongError ANSWER_TOO_LONG; a `TimeoutError` where it took too long; a `TypeError` where nobody answers
 */
export async function fetchAnswer(
  url: string | URL,
  init: RequestInit,
  { mostBytes, withinMs }: AnswerLimits,
): Promise<Answer> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(withinMs) });
  // The type of Node's own streams lacks that they can be iterated.
  const body = response.body as (AsyncIterable<Uint8Array> & ReadableStream) | null;
  return { status: response.status, text: body === null ? '' : await readBounded(body, mostBytes) };
}
