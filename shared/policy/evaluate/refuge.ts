/** Finds the site to evacuate a VM to. */
import type { Site, Vm } from '../state/state.ts';
import type { CandidateScan } from './candidate-scan.ts';
import type { HomeLost } from './evaluation.ts';
import { breaksDeclaration, type FilterSettings, refusal } from './filters.ts';
import type { MovePlanner, Plan } from './planner.ts';
import { proposalOf, type Weighed } from './weighed.ts';

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

/** A site to evacuate to, with the plan of the move there. */
interface Refuge extends Plan {
  /** True: it disobeys the VM's declaration. */
  readonly breaks: boolean;
  readonly serving: number;
}

/**
 * Finds the best site that the filters pass and to which the VM may move now, among the sites near the users and near the home: sites
 * that obey the VM's declaration first, and of these the one that serves best. Rather than break its declaration, the VM waits for its
 * turn.
 * @returns the move to the site beside those under way, if there is one; otherwise `turnMs`, when it is planned again, Infinity: there
 *   is no site
 */
export function refugeOf(
  { vm, homeLost, nowMs, scan, weigh }: Fugitive,
  planner: MovePlanner,
  settings: FilterSettings,
): { readonly chosen: Weighed | undefined; readonly turnMs: number } {
  let chosen: Refuge | undefined;
  const later: Refuge[] = [];
  for (const site of scan.refuges(vm)) {
    const serving = scan.servingFrom(site);
    // The cheap comparison comes first: as if the site obeyed.
    if (site === vm.home || !isBefore({ breaks: false, serving }, chosen)) continue;
    const weighed = weigh(site, scan.serving[0]! - serving);
    const proposal = proposalOf(vm, weighed, nowMs);
    if (refusal(proposal, settings, 'evacuation') !== undefined) continue;
    const breaks = breaksDeclaration(proposal, settings);
    // To leave one VM for another one mends nothing.
    if (breaks && homeLost === 'shared') continue;
    if (!isBefore({ breaks, serving }, chosen)) continue;
    const refuge = { ...planner.plan(weighed, nowMs), breaks, serving };
    if (refuge.turnMs > nowMs) later.push(refuge);
    else chosen = refuge;
  }
  const obeying = later.filter(({ breaks }) => !breaks);
  if (chosen !== undefined && !(chosen.breaks && obeying.length > 0)) return { chosen: chosen.weighed, turnMs: nowMs };
  const awaited = obeying.length > 0 ? obeying : later;
  for (const { weighed } of awaited) planner.wait(weighed, nowMs);
  return { chosen: undefined, turnMs: Math.min(...awaited.map(({ turnMs }) => turnMs)) };
}

function isBefore(a: Pick<Refuge, 'breaks' | 'serving'>, b: Refuge | undefined): boolean {
  if (b === undefined) return true;
  return a.breaks === b.breaks ? a.serving < b.serving : b.breaks;
}
