/** Finds policies by the names that are used in configurations and on the command line. */
import type { PolicyConfig } from '../../config/schema.ts';
import { TagalongError } from '../../errors.ts';
import type { NetworkModel } from '../../model/network.ts';
import { POLICY_NAMES, type Policy, type PolicyTuning, policyNamed } from './policies.ts';
import { lyapunov } from './published/lyapunov.ts';
import { mdp } from './published/mdp.ts';
import type { PlacementRule } from './published/rule.ts';
import { hysteresis, myopic } from './published/simple.ts';
import { skiRental } from './published/ski-rental.ts';
import { workFunction } from './published/work-function.ts';

/** Any policy that can decide: ours, or a published rule. */
export type AnyPolicy = Policy | PlacementRule;

type PolicyBounds = Pick<PolicyConfig, 'returnPauseMs' | 'coolingMs' | 'maxMovesPerHour'>;

/** True if our cooldowns and our hourly budget apply. Published policies run without them, as they were published. */
const hasCooldowns = (policy: AnyPolicy): boolean => 'hasCooldowns' in policy && policy.hasCooldowns;

/** The cooldowns and the hourly budget under a policy: those of the configuration, or none. */
export function boundsOf(policy: AnyPolicy, config: PolicyBounds): PolicyBounds {
  const { returnPauseMs, coolingMs, maxMovesPerHour } = config;
  if (hasCooldowns(policy)) return { returnPauseMs, coolingMs, maxMovesPerHour };
  return { returnPauseMs: 0, coolingMs: 0, maxMovesPerHour: Number.POSITIVE_INFINITY };
}

interface Published {
  /** Default of each parameter, by name with unit. */
  readonly usual: Record<string, number>;
  readonly make: (values: readonly number[], network: NetworkModel) => PlacementRule;
}

const PUBLISHED: Record<string, Published> = {
  hysteresis: { usual: { marginMs: 2.02 }, make: ([marginMs]) => hysteresis(marginMs!) },
  myopic: { usual: { slotS: 60 }, make: ([slotS]) => myopic(slotS!) },
  'ski-rental': { usual: { alpha: 1 }, make: ([alpha]) => skiRental(alpha!) },
  mdp: { usual: {}, make: (_, network) => mdp(network) },
  lyapunov: { usual: { weightUserMsS: 10_000, budgetUserMsPerS: 0.5 }, make: ([v, budget]) => lyapunov(v!, budget!) },
  'work-function': { usual: {}, make: () => workFunction },
};

/** Names of all policies that can run live. */
export const LIVE_NAMES = [...POLICY_NAMES, ...Object.keys(PUBLISHED)];
/** Policies for simulations only: they know the future, or learn data that is not stored. */
export const SIMULATED_NAMES = [
  'tagalong-knows-stay',
  'tagalong-knows-site',
  'tagalong-knows-both',
  'look-ahead',
  'receding-horizon',
  'contended-optimum',
  'contended-bound',
  'learned-mdp',
  'optimum',
];

/**
 * The policy of that name.
 * @param name as in `hysteresis(2.5)`; parameters that are left out have their defaults
 * @throws TagalongError POLICY_UNKNOWN
 */
export function policyFor(name: string, tuning: PolicyTuning, network: NetworkModel): AnyPolicy {
  const [bare] = splitName(name);
  if (POLICY_NAMES.includes(name)) return policyNamed(name, tuning);
  if (SIMULATED_NAMES.includes(bare)) {
    throw new TagalongError(
      'POLICY_UNKNOWN',
      `policy "${name}" runs in simulate only; elsewhere choose one of ${LIVE_NAMES.join(', ')}`,
    );
  }
  const published = Object.hasOwn(PUBLISHED, bare) ? PUBLISHED[bare]! : undefined;
  if (published === undefined) {
    throw new TagalongError('POLICY_UNKNOWN', unknownPolicy(name));
  }
  return published.make(parametersOf(name, published.usual), network);
}

/** The fault in the name of a policy; undefined if such a policy exists, even if only in `simulate`. */
export function policyNameFault(name: string): string | undefined {
  const [bare] = splitName(name);
  if (POLICY_NAMES.includes(name) || SIMULATED_NAMES.includes(bare)) return undefined;
  if (!Object.hasOwn(PUBLISHED, bare)) return unknownPolicy(name);
  try {
    parametersOf(name, PUBLISHED[bare]!.usual);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function unknownPolicy(name: string): string {
  return `policy "${name}" is not known; choose one of ${LIVE_NAMES.join(', ')}; only in simulate: ${SIMULATED_NAMES.join(', ')}`;
}

/**
 * The parameters in the name of a policy, in order. Each is a number above 0.
 * @param usual names and defaults of the parameters
 * @throws TagalongError POLICY_UNKNOWN if a parameter is invalid, or if there are too many
 */
export function parametersOf(name: string, usual: Record<string, number>): number[] {
  const [bare, given] = splitName(name);
  const names = Object.keys(usual);
  const right =
    given.length <= names.length && given.every((text) => Number(text) > 0 && Number.isFinite(Number(text)));
  if (!right) {
    const example = names.length === 0 ? bare : `${bare}(${Object.values(usual).join(',')})`;
    const meaning = names.length === 0 ? '' : ` (${names.join(', ')})`;
    throw new TagalongError(
      'POLICY_UNKNOWN',
      `policy "${name}" has the wrong parameters; write it as ${example}${meaning}`,
    );
  }
  return names.map((each, i) => (given[i] === undefined ? usual[each]! : Number(given[i])));
}

/** Splits `name(a,b)` into the bare name and its parameters. */
export function splitName(name: string): [bare: string, given: string[]] {
  const match = /^([^()]+)\(([^()]+)\)$/.exec(name);
  return match ? [match[1]!, match[2]!.split(',').map((text) => text.trim())] : [name, []];
}
