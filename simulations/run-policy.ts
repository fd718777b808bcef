/** Runs any policy by its name: policies that also run live, a policy that learns over all VMs, and yardsticks that know the future. */
import type { Config } from '#shared/config/schema.ts';
import { parametersOf, policyFor, splitName } from '#shared/policy/rules/named.ts';
import { type RunInput, type RunResult, run } from './engine.ts';
import { learnedMdp } from './learned-mdp.ts';
import { lookAhead } from './offline/look-ahead.ts';
import { optimum } from './offline/optimum.ts';

type Simulated = (input: RunInput, values: readonly number[]) => Promise<RunResult>;

/** The policies that only a simulation can run, with the names and default values of their parameters. */
const SIMULATED: Record<string, { readonly usual: Record<string, number>; readonly run: Simulated }> = {
  'look-ahead': { usual: { frameS: 300 }, run: (input, [frameS]) => lookAhead(input, frameS!) },
  'learned-mdp': { usual: {}, run: learnedMdp },
  optimum: { usual: {}, run: optimum },
};

/**
 * Runs the policy that the configuration names.
 * @throws TagalongError the errors of `run`
 */
export async function runPolicy(input: RunInput): Promise<RunResult> {
  const { name } = input.config.policy;
  const simulated = simulatedOf(name);
  return simulated ? simulated.run(input, parametersOf(name, simulated.usual)) : run(input);
}

/** Checks the name of a policy. @throws TagalongError POLICY_UNKNOWN if there is no such policy, or not with these parameters */
export function checkPolicy(name: string, { policy, network }: Pick<Config, 'policy' | 'network'>): void {
  const simulated = simulatedOf(name);
  if (simulated) parametersOf(name, simulated.usual);
  else policyFor(name, policy, network);
}

function simulatedOf(name: string) {
  const [bare] = splitName(name);
  return Object.hasOwn(SIMULATED, bare) ? SIMULATED[bare] : undefined;
}
