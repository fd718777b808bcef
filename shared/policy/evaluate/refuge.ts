/** Finds the site to evacuate a VM to. */
import type { Site, Vm } from '../state/state.ts';
import type { CandidateScan } from './candidate-scan.ts';
import type { HomeLost } from './evaluation.ts';
import { breaksDeclaration, type FilterSettings, refusal } from './filters.ts';
import type { MovePlanner } from './planner.ts';
import { proposalOf, type Weighed } from './weighed.ts';

/** Added to the cost of sites that a declaration asks to leave out. More than serving can cost. */
const LAST_RESORT = 1e18;

/** A VM whose home is lost. */
export interface Fugitive {
  readonly vm: Vm;
  readonly homeLost: HomeLost;
  readonly nowMs: number;
  /** The scan of this VM. */
  readonly scan: CandidateScan;
  /** Predicts and prices its move to a site. */
  readonly weigh: (to: Site, gainUserMsPerS: number) => Weighed;
}

/**
 * Finds the best site that the filters pass and that the VM may move to in its turn, among the sites near the users and near the home.
 * Sites that obey the VM's declaration come first.
 * @returns the site, if there is one; otherwise `turnMs`, when the VM's turn comes to move to another, Infinity: there is none
 */
export function refugeOf(
  { vm, homeLost, nowMs, scan, weigh }: Fugitive,
  planner: MovePlanner,
  settings: FilterSettings,
): { readonly chosen: Weighed | undefined; readonly turnMs: number } {
  let chosen: Weighed | undefined;
  let least = Number.POSITIVE_INFINITY;
  let firstTurnMs = Number.POSITIVE_INFINITY;
  for (const site of scan.refuges(vm)) {
    const serving = scan.servingFrom(site);
    if (serving >= least || site === vm.home) continue;
    const weighed = weigh(site, scan.serving[0]! - serving);
    const proposal = proposalOf(vm, weighed, nowMs);
    if (refusal(proposal, settings, 'evacuation') !== undefined) continue;
    const breaks = breaksDeclaration(proposal, settings);
    // To leave one VM for another one mends nothing.
    if (breaks && homeLost === 'shared') continue;
    const worth = breaks ? serving + LAST_RESORT : serving;
    if (worth >= least) continue;
    const turnMs = planner.turnMs(weighed, nowMs);
    if (turnMs > nowMs) {
      planner.wait(weighed, nowMs);
      firstTurnMs = Math.min(firstTurnMs, turnMs);
      continue;
    }
    chosen = weighed;
    least = worth;
  }
  return { chosen, turnMs: firstTurnMs };
}
