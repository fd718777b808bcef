/** Policies side by side on one trace. */

import { PERSONAL_VM } from '#services/ingest/personal-vms.ts';
import type { SiteSpec } from '#services/ingest/sites.ts';
import type { Trace, TraceReport } from '#services/ingest/traces/trace.ts';
import type { Config } from '#shared/config/schema.ts';
import type { Fact, VmSpec } from '#shared/events/index.ts';
import type { RunResult } from './engine.ts';
import { runPolicy } from './run-policy.ts';
import type { Scenario } from './scenarios/scenario.ts';

/** What is simulated: a trace with sites, whose users get a VM each, or a scenario that brings everything along. */
export type Subject = { readonly trace: Trace; readonly sites: readonly SiteSpec[] } | { readonly scenario: Scenario };

/** The result of `tagalong simulate`: the same, byte for byte, for the same input, settings and seed. */
export interface Comparison {
  readonly seed: number;
  /** Of the trace, where there is one. */
  readonly trace?: TraceReport;
  readonly scenario?: string;
  /** The VM that each user of a trace gets. */
  readonly vm?: VmSpec;
  readonly settings: Pick<Config, 'network' | 'move' | 'policy' | 'limits'> & {
    readonly plausibility: Config['ingest']['plausibility'];
  };
  readonly runs: readonly RunResult[];
}

/**
 * Runs each policy in turn.
 * @param options.seed recorded; a scenario was made from it, a trace knows no chance
 * @param options.observe sees every decision and migration event, with the policy it belongs to
 * @throws TagalongError what reading the trace throws, and POLICY_UNKNOWN before anything is read
 */
export async function simulate(
  subject: Subject,
  options: {
    readonly config: Config;
    readonly policies: readonly string[];
    readonly seed: number;
    readonly observe?: (policy: string, fact: Fact) => void;
  },
): Promise<Comparison> {
  const { config, policies, seed, observe } = options;
  const runs: RunResult[] = [];
  for (const name of policies) {
    const input =
      'scenario' in subject
        ? { sites: subject.scenario.sites, vms: subject.scenario.vms, batches: [[...subject.scenario.fixes()]] }
        : { sites: subject.sites, batches: subject.trace.batches() };
    runs.push(
      await runPolicy({
        ...input,
        config: { ...config, policy: { ...config.policy, name } },
        ...(observe && { observe: (fact: Fact) => observe(name, fact) }),
      }),
    );
  }
  const { network, move, policy, limits, ingest } = config;
  return {
    seed,
    ...('scenario' in subject
      ? { scenario: subject.scenario.name }
      : { trace: { ...subject.trace.report }, vm: PERSONAL_VM }),
    settings: { network, move, policy, limits, plausibility: ingest.plausibility },
    runs: timesOptimum(runs),
  };
}

/** Says of each run how many times the optimum it cost, where the optimum is among them and not nothing. */
export function timesOptimum(runs: readonly RunResult[]): RunResult[] {
  const leastUserMs = runs.find(({ isBound }) => isBound)?.cost.totalUserMs ?? 0;
  if (leastUserMs === 0) return [...runs];
  return runs.map((run) => ({ ...run, cost: { ...run.cost, timesOptimum: run.cost.totalUserMs / leastUserMs } }));
}
