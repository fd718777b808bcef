/** Programs that check the files of the deployment and the HTTP interface. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describeNeeding } from '../needing.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
export const pathOf = (program: Checker) => `${ROOT}build/checkers/${program}`;

/** A program of `deploy/checkers.sh`. */
export type Checker = 'compose-spec' | 'kustomize' | 'schemathesis';

/** Registers tests that need a checker. Without it they are skipped by name; in CI they fail. */
export function onChecker(program: Checker, name: string, tests: () => void): void {
  const why = `${program} is missing; npm run prerequisites builds it`;
  describeNeeding(program, existsSync(pathOf(program)) ? undefined : why, name, tests);
}

/** Runs a checker. @returns its output @throws with its output if it finds a fault */
export function check(program: Checker, args: readonly string[]): string {
  return execFileSync(pathOf(program), [...args], { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
