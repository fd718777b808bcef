/**
 * What makes a site illegal for a VM, whatever it would be worth. Each filter is a few comparisons and names itself
 * when it refuses; they run in this order, cheapest first, and the first refusal counts.
 */
import type { LimitsConfig } from '../../config/schema.ts';
import { MAX_MOVES_KEPT } from '../../events/bounds.ts';
import type { PredictedMove } from '../../model/move-model.ts';
import type { SiteTable } from '../state/sites.ts';
import type { Pair, Site, Vm } from '../state/state.ts';

export interface Proposal {
  readonly vm: Vm;
  readonly pair: Pair;
  readonly predicted: PredictedMove;
  readonly nowMs: number;
}

export interface FilterSettings {
  readonly sites: SiteTable;
  readonly limits: LimitsConfig;
  readonly siteSilentMs: number;
  readonly maxMovesPerHour: number;
  /** How long a VM may not go back to where it came from. */
  readonly returnPauseMs: number;
  /** True: an operator wants no moves but those that have to be. */
  readonly isPaused: () => boolean;
}

type Filter = (proposal: Proposal, rules: FilterSettings) => boolean;

const HOUR_MS = 3_600_000;
/** Sites and paths are busy for about as long as a move takes. */
const RETRY_MS = 30_000;

/** True where the site may not be used. */
const FILTERS: Record<string, Filter> = {
  draining: ({ pair }) => pair.to.draining,
  silent: ({ pair, nowMs }, { siteSilentMs }) => isSilent(pair.to, nowMs, siteSilentMs),
  full: ({ pair }) => freeSlots(pair.to) <= 0,
  'no-path': ({ pair }) => pair.paths.length === 0,
  'just-left': ({ vm, pair, nowMs }, { returnPauseMs }) =>
    vm.cameFrom !== null && vm.cameFrom.site === pair.to.id && nowMs - vm.cameFrom.atMs < returnPauseMs,
  'move-budget-spent': ({ vm, nowMs }, { maxMovesPerHour }) => movedOften(vm, nowMs, maxMovesPerHour),
  'source-busy': ({ pair }, { limits }) => pair.from.moves >= limits.movesPerSite,
  'destination-busy': ({ pair }, { limits }) => pair.to.moves >= limits.movesPerSite,
  // Where nothing leaves or reaches one of the sites, nothing can be on a path between the two.
  'path-busy': ({ pair }, { limits, sites }) =>
    pair.from.moves > 0 && pair.to.moves > 0 && pair.paths.some((path) => sites.movesOn(path) >= limits.movesPerPath),
  'not-converging': ({ predicted }) => !predicted.converges,
  // Last, so that a pause hides nothing else that stands in the way.
  'automation-paused': (_, { isPaused }) => isPaused(),
};

/** Refusals that only keep VMs from moving without need: an evacuation, or an operator, may go past them. */
const ONLY_FOR_COMFORT = new Set(['just-left', 'move-budget-spent', 'automation-paused']);
const ALWAYS = Object.entries(FILTERS).map(([name, refuses]) => ({ name, refuses }));
const FORCED = ALWAYS.filter(({ name }) => !ONLY_FOR_COMFORT.has(name));

/**
 * The name of the first filter that refuses the proposal; undefined: the site is a candidate.
 * @param forced true for evacuations and operators' orders
 */
export function refusal(proposal: Proposal, rules: FilterSettings, forced: boolean): string | undefined {
  for (const { name, refuses } of forced ? FORCED : ALWAYS) if (refuses(proposal, rules)) return name;
  return undefined;
}

/** When a VM that a filter held back should be looked at again: when it is certain to let go, or else after a while. */
export function retryAtMs(filter: string, vm: Vm, policy: { readonly returnPauseMs: number }, nowMs: number): number {
  if (filter === 'just-left' && vm.cameFrom) return vm.cameFrom.atMs + policy.returnPauseMs;
  if (filter === 'move-budget-spent') return (movesInLastHour(vm, nowMs)[0] ?? nowMs) + HOUR_MS;
  return nowMs + RETRY_MS;
}

/** True: nothing was heard of the site for longer than that. */
export function isSilent(site: Site, nowMs: number, siteSilentMs: number): boolean {
  return nowMs - site.reportedAtMs > siteSilentMs;
}

/** Room at a site: what it says it runs, or what we placed there, whichever is more; and what is on its way. */
function freeSlots(site: Site): number {
  return site.slots - Math.max(site.reportedVms, site.homes.size) - site.inbound;
}

/** When the VM's moves of the last hour were ordered, the oldest first. */
export function movesInLastHour({ movesAtMs }: Vm, nowMs: number): number[] {
  return movesAtMs.filter((atMs) => atMs > nowMs - HOUR_MS).slice(1 - MAX_MOVES_KEPT);
}

/** Whether at least so many of them were. Most VMs have fewer at all, and are asked about at every look. */
function movedOften(vm: Vm, nowMs: number, moves: number): boolean {
  return vm.movesAtMs.length >= moves && movesInLastHour(vm, nowMs).length >= moves;
}
