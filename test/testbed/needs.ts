/** Whether real VMs can be run here: a machine that cannot says so in the tests' names; in CI it is a failure. */
import { execFileSync } from 'node:child_process';
import { describeNeeding } from '../needing.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

/** What a test needs beside real VMs. */
export interface Needs {
  /** Paths with delay or loss. */
  readonly delay?: boolean;
}

/** Why real VMs cannot be run here; undefined where they can. */
export function missing({ delay = false }: Needs = {}): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root';
  try {
    execFileSync('sh', [`${ROOT}deploy/testbed/prerequisites.sh`, '--check', ...(delay ? ['delay'] : [])], {
      encoding: 'utf8',
    });
    return undefined;
  } catch (error) {
    return (error as { stdout: string }).stdout.trim().split('\n').join(' ');
  }
}

/** Tests that need real VMs. */
export function onTestBed(name: string, tests: () => void, needs: Needs = {}): void {
  describeNeeding('what real VMs need', missing(needs), name, tests);
}
