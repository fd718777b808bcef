/** Reads text by lines, in bounded memory. */
import { TagalongError } from '#shared/errors.ts';
import { readText } from './files.ts';

/** The most characters of a line. A file without line ends would fill the memory. */
export const LONGEST_LINE = 1024 * 1024;

/** Successive lines of a file. */
export interface Lines {
  /** The number of the first line in the file, from 1. */
  readonly first: number;
  /** The lines without their ends (LF or CRLF). */
  readonly lines: readonly string[];
}

/**
 * Yields all lines of a file in order, including empty ones, some thousand at a time.
 * @throws TagalongError TRACE_UNREADABLE
 */
export async function* linesOf(path: string): AsyncGenerator<Lines, void, void> {
  let open = '';
  let first = 1;
  for await (const text of readText(path)) {
    const lines = (open + text).split('\n');
    open = lines.pop()!;
    if (open.length > LONGEST_LINE) throw tooLong(path, first + lines.length);
    if (lines.length > 0) yield { first, lines: lines.map(withoutReturn) };
    first += lines.length;
  }
  if (open !== '') yield { first, lines: [withoutReturn(open)] };
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}

/** The error of a line that is too long. */
export function tooLong(path: string, line: number): TagalongError {
  return new TagalongError(
    'TRACE_UNREADABLE',
    `${path}:${line}: a record has more than ${LONGEST_LINE} characters; write one line for each row`,
  );
}
