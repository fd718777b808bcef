/** How a failed command ends: one line, and an exit status that a script can tell apart. */
import { CommanderError } from 'commander';
import { type ErrorCode, TagalongError } from '#shared/errors.ts';
import { withoutControls } from '#shared/text.ts';

/** What is wrong lies in what was given to the command: its options, a configuration, a trace. */
const USAGE_CODES: readonly ErrorCode[] = [
  'USAGE',
  'CONFIG_UNREADABLE',
  'CONFIG_INVALID',
  'POLICY_UNKNOWN',
  'TRACE_UNREADABLE',
  'TRACE_ROW_INVALID',
  'SITES_INVALID',
];

export interface Failure {
  /** `tagalong: CODE: message`, without a line break. */
  readonly line: string;
  /** 2 for usage, 1 for failure. */
  readonly exitCode: 1 | 2;
}

/** What is said of an error, whatever it is. */
export function failureOf(error: unknown): Failure {
  if (error instanceof TagalongError) {
    return { line: failureLine(error.code, error.message), exitCode: USAGE_CODES.includes(error.code) ? 2 : 1 };
  }
  if (error instanceof CommanderError) {
    return { line: failureLine('USAGE', error.message.replace(/^error: /, '')), exitCode: 2 };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { line: failureLine('INTERNAL', `${message} (TAGALONG_DEBUG=1 shows where)`), exitCode: 1 };
}

function failureLine(code: string, message: string): string {
  // What a server or a file says is quoted in messages, and must not steer the terminal.
  return `tagalong: ${code}: ${withoutControls(message).trim()}`;
}
