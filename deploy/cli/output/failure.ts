/** How a failed command ends: one line, and an exit status that a script can tell apart. */
import { CommanderError } from 'commander';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { withoutControls } from '#shared/text.ts';

/** What is wrong lies in what was given to the command: its options, a configuration, a trace. */
const USAGE_CODES: readonly ErrorCode[] = [
  'USAGE',
  'CONFIG_UNREADABLE',
  'CONFIG_INVALID',
  'INSTALLATION_OTHER',
  'POLICY_UNKNOWN',
  'TRACE_UNREADABLE',
  'TRACE_ROW_INVALID',
  'SITES_INVALID',
];

export interface Failure {
  /** `tagalong: CODE: message`, without a line break; for a program, `{"error": {"code", "message"}}`, as over HTTP. */
  readonly line: string;
  /** 2 for usage, 1 for failure. */
  readonly exitCode: 1 | 2;
}

/**
 * What is said of an error, whatever it is.
 * @param asJson whether a program reads it
 */
export function failureOf(error: unknown, asJson = false): Failure {
  const { code, message } = wordsOf(error);
  // What a server or a file says is quoted in messages, and must not steer the terminal.
  const plain = withoutControls(message).trim();
  const line = asJson ? JSON.stringify({ error: { code, message: plain } }) : `tagalong: ${code}: ${plain}`;
  return { line, exitCode: (USAGE_CODES as readonly string[]).includes(code) ? 2 : 1 };
}

function wordsOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof TagalongError) return error;
  if (error instanceof CommanderError) return { code: 'USAGE', message: error.message.replace(/^error: /, '') };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'INTERNAL', message: `${message} (TAGALONG_DEBUG=1 shows where)` };
}
