/** Explains why a child process did not start. */
import type { Child } from '#shared/child.ts';
import { foreignText } from '#shared/text.ts';

const LAST_LINES = 3;
const MOST_CHARS = 600;

/**
 * The last lines that the child printed on standard error, as one bounded line. A child that printed nothing is described by its exit status.
 * @param next the next step for the reader, such as a command that shows more
 */
export async function startFailure(child: Child, next: string): Promise<string> {
  const lines = child.stderr
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '');
  const status = child.running ? 'it still runs' : endOf(await child.ended);
  const words = lines.slice(-LAST_LINES).join(' | ').slice(-MOST_CHARS);
  return `${status}, ${words === '' ? 'and printed nothing' : `and printed last: ${foreignText(words, MOST_CHARS)}`}; ${next}`;
}

function endOf(code: number | null): string {
  return code === null ? 'a signal ended it' : `it ended with status ${code}`;
}
