/** The end of a failed command: one line, and an exit status that tells a script the kind of failure. */
import { CommanderError } from 'commander';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { withoutControls } from '#shared/text.ts';

/** Codes of errors in the user's input: options, a configuration, a trace. */
const USAGE_CODES: readonly ErrorCode[] = [
  'USAGE',
  'CONFIG_UNREADABLE',
  'CONFIG_INVALID',
  'SECRET_WEAK',
  'FILE_EXISTS',
  'INSTALLATION_OTHER',
  'POLICY_UNKNOWN',
  'MQTT_ACCOUNT_SHARED',
  'TRACE_UNREADABLE',
  'TRACE_ROW_INVALID',
  'SITES_INVALID',
];

export interface Failure {
  /** `tagalong: CODE: message` without a line break; for a program `{"error": {"code", "message"}}`, as over HTTP. */
  readonly line: string;
  /** 2 for usage, 1 for failure. */
  readonly exitCode: 1 | 2;
}

/**
 * The last line and the exit status for an error of any kind.
 * @param asJson true where a program reads the line
 */
export function failureOf(error: unknown, asJson = false): Failure {
  const { code, message } = wordsOf(error);
  // A message may quote a server or a file; the quote must not contain control sequences for the terminal.
  const plain = withoutControls(message).trim();
  const line = asJson ? JSON.stringify({ error: { code, message: plain } }) : `tagalong: ${code}: ${plain}`;
  return { line, exitCode: (USAGE_CODES as readonly string[]).includes(code) ? 2 : 1 };
}

function wordsOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof TagalongError) return error;
  if (error instanceof CommanderError) {
    // Commander would print its help here; only --help prints it.
    const isHelp = error.code === 'commander.help';
    const message = isHelp ? 'a command is missing; --help lists them' : error.message.replace(/^error: /, '');
    return { code: 'USAGE', message };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'INTERNAL', message: `${message} (TAGALONG_DEBUG=1 shows where)` };
}
