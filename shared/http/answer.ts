/**
 * Reads the answers of other servers over HTTP. A server may send endlessly, a byte a second, or nothing at all. Each answer therefore
 * has a limit of bytes, and a deadline from the request to the last byte.
 */
import { TagalongError } from '../errors.ts';

/** The limits of an answer. */
export interface AnswerLimits {
  readonly mostBytes: number;
  /** From the request to the last byte of the answer. */
  readonly withinMs: number;
}

/** A complete answer. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/**
 * Reads a body to its end. If the body is too long, the function stops reading, which closes the connection.
 * @throws TagalongError ANSWER_TOO_LONG; the errors of the body itself
 */
export async function readBounded(body: AsyncIterable<Uint8Array>, mostBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.byteLength;
    if (bytes > mostBytes) throw new TagalongError('ANSWER_TOO_LONG', `the answer has more than ${mostBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes).toString();
}

/**
 * Calls `fetch`, and reads the whole answer.
 * @throws TagalongError ANSWER_TOO_LONG; a `TimeoutError` after `withinMs`; a `TypeError` if no server answers
 */
export async function fetchAnswer(
  url: string | URL,
  init: RequestInit,
  { mostBytes, withinMs }: AnswerLimits,
): Promise<Answer> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(withinMs) });
  // The type does not say that Node's streams can be iterated.
  const body = response.body as (AsyncIterable<Uint8Array> & ReadableStream) | null;
  return { status: response.status, text: body === null ? '' : await readBounded(body, mostBytes) };
}
