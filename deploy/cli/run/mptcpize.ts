import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { TagalongError } from '#shared/errors.ts';

/**
 * Replaces this process by the same command under `mptcpize`, unless it runs under it already: Node itself can only open
 * plain TCP. The process id stays the same, so that signals and pipes reach it as before.
 * @throws TagalongError USAGE if mptcpize is missing, or if Node is too old to replace its process
 */
export function underMptcpize(): void {
  if (/mptcpwrap/.test(process.env.LD_PRELOAD ?? '')) return;
  const mptcpize = inPath('mptcpize');
  if (mptcpize === undefined) {
    throw new TagalongError('USAGE', '--mptcp: this host has no mptcpize; install it with "apt-get install mptcpize"');
  }
  if (process.execve === undefined) {
    const right = 'with this one, start it as "mptcpize run tagalong probe …"';
    throw new TagalongError(
      'USAGE',
      `--mptcp: needs Node 22.15 or newer, and this is ${process.versions.node}; ${right}`,
    );
  }
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(mptcpize, ['mptcpize', 'run', ...command], process.env);
}

function inPath(program: string): string | undefined {
  const paths = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
