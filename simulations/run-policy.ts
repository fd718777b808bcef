/** Runs any policy by its name: policies that also run live, a policy that learns over all VMs, and yardsticks that know the future. */
import type { Config } from '#shared/config/schema.ts';
import { parametersOf, policyFor, splitName } from '#shared/policy/rules/named.ts';
import { type RunResult, run } from './engine.ts';
import { learnedMdp } from './learned-mdp.ts';
import { contendedBound } from './offline/contended-bound.ts';
import { contendedOptimum } from './offline/contended-optimum.ts';
import type { PlannedRunInput } from './offline/foresight.ts';
import { type Knowledge, tagalongKnowing } from './offline/knowing.ts';
import { lookAhead, recedingHorizon } from './offline/look-ahead.ts';
import { optimum } from './offline/optimum.ts';

type Simulated = (input: PlannedRunInput, values: readonly number[]) => Promise<RunResult>;

interface SimulatedPolicy {
  readonly usual: Record<string, number>;
  readonly run: Simulated;
  readonly knowsFuture: boolean;
}

const knowing = (name: string, knows: Knowledge): SimulatedPolicy => ({
  usual: {},
  run: (input) => tagalongKnowing(input, name, knows),
  knowsFuture: true,
});

/** The policies that only a simulation can run, with the names and default values of their parameters. */
const SIMULATED: Record<string, SimulatedPolicy> = {
  'look-ahead': { usual: { frameS: 300 }, run: (input, [frameS]) => lookAhead(input, frameS!), knowsFuture: true },
  'receding-horizon': {
    usual: { horizonS: 300 },
    run: (input, [horizonS]) => recedingHorizon(input, horizonS!),
    knowsFuture: true,
  },
  'contended-optimum': { usual: {}, run: contendedOptimum, knowsFuture: true },
  'tagalong-knows-stay': knowing('tagalong-knows-stay', { stay: true, site: false }),
  'tagalong-knows-site': knowing('tagalong-knows-site', { stay: false, site: true }),
  'tagalong-knows-both': knowing('tagalong-knows-both', { stay: true, site: true }),
  'learned-mdp': { usual: {}, run: learnedMdp, knowsFuture: false },
  'contended-bound': {
    usual: { rounds: 30 },
    run: (input, [rounds]) => contendedBound(input, rounds!),
    knowsFuture: true,
  },
  optimum: { usual: {}, run: optimum, knowsFuture: true },
};

/** True for a planner: planners share what they foresee where they run one after the other in one thread. */
export function knowsFuture(name: string): boolean {
  return simulatedOf(name)?.knowsFuture === true;
}

/**
 * Runs the policy that the configuration names.
 * @throws TagalongError the errors of `run`
 */
export async function runPolicy(input: PlannedRunInput): Promise<RunResult> {
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
