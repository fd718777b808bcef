/** Tests that need real VMs. Without the prerequisites they are skipped by name; in CI they fail. */
import { execFileSync } from 'node:child_process';
import { describeNeeding } from '../needing.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

/** Further needs of a test beside real VMs. */
export interface Needs {
  /** Paths with delay or loss. */
  readonly delay?: boolean;
}

/** The reason why real VMs cannot run on this machine; undefined if they can. */
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

/** Registers tests that need real VMs. */
export function onTestBed(name: string, tests: () => void, needs: Needs = {}): void {
  describeNeeding('what real VMs need', missing(needs), name, tests);
}
