import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * For tests that need these programs, and MPTCP of the kernel. @returns why to skip them; undefined: run them. With CI=`true` they
 * always run, so that a missing program fails them.
 */
export function skipWithout(...programs: readonly string[]): string | undefined {
  if (process.env.CI === 'true') return undefined;
  const missing = programs.filter((program) => !isInPath(program));
  if (missing.length > 0) return `skipped: no ${missing.join(', no ')} here`;
  return mptcpIsOn() ? undefined : 'skipped: net.mptcp.enabled is not 1';
}

export function isInPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function mptcpIsOn(): boolean {
  try {
    return readFileSync('/proc/sys/net/mptcp/enabled', 'utf8').trim() === '1';
  } catch {
    return false;
  }
}
