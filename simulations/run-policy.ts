/** Any policy by its name, on one trace: those that run live, and yardsticks that know the future. */
import type { Config } from '#shared/config/schema.ts';
import { parametersOf, policyFor, splitName } from '#shared/policy/named.ts';
import { type RunInput, type RunResult, run } from './engine.ts';
import { lookAhead } from './offline/look-ahead.ts';
import { optimum } from './offline/optimum.ts';

type Yardstick = (input: RunInput, values: readonly number[]) => Promise<RunResult>;

/** With the names and usual values of their parameters. */
const YARDSTICKS: Record<string, { readonly usual: Record<string, number>; readonly run: Yardstick }> = {
  'look-ahead': { usual: { frameS: 300 }, run: (input, [frameS]) => lookAhead(input, frameS!) },
  optimum: { usual: {}, run: optimum },
};

/**
 * Runs the policy that the configuration names.
 * @throws TagalongError what `run` throws
 */
export async function runPolicy(input: RunInput): Promise<RunResult> {
  const { name } = input.config.policy;
  const yardstick = yardstickOf(name);
  return yardstick ? yardstick.run(input, parametersOf(name, yardstick.usual)) : run(input);
}

/** @throws TagalongError POLICY_UNKNOWN where there is no policy of that name, or not with these parameters */
export function checkPolicy(name: string, { policy, network }: Pick<Config, 'policy' | 'network'>): void {
  const yardstick = yardstickOf(name);
  if (yardstick) parametersOf(name, yardstick.usual);
  else policyFor(name, policy, network);
}

function yardstickOf(name: string) {
  const [bare] = splitName(name);
  return Object.hasOwn(YARDSTICKS, bare) ? YARDSTICKS[bare] : undefined;
}
