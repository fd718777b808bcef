/** Checks the requirements of real VMs to this host. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { TagalongError } from '#shared/errors.ts';

const PREREQUISITES = new URL('prerequisites.sh', import.meta.url).pathname;

/**
 * Says in one line what is missing, and how to install it.
 * @throws TagalongError TESTBED_MISSING
 */
export async function refuseWhereMissing(): Promise<void> {
  if (process.platform !== 'linux')
    throw new TagalongError('TESTBED_MISSING', 'the test bed needs Linux; run it on a Linux host');
  if (process.getuid?.() !== 0)
    throw new TagalongError('TESTBED_MISSING', 'the test bed needs root; run the command as root');
  await check();
}

/**
 * The same for paths with delay or loss.
 * @throws TagalongError TESTBED_MISSING
 */
export async function refuseWhereNoDelay(): Promise<void> {
  await check('delay');
}

async function check(...what: readonly string[]): Promise<void> {
  await promisify(execFile)('sh', [PREREQUISITES, '--check', ...what]).catch(({ stdout }: { stdout: string }) => {
    throw new TagalongError('TESTBED_MISSING', stdout.trim().split('\n').join(' ').replaceAll('Test bed: ', ''));
  });
}
