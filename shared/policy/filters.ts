/**
 * What makes a site illegal for a VM, whatever it would be worth. Each filter is a few comparisons and names itself
 * when it refuses; they run in this order, cheapest first, and the first refusal counts.
 */
import type { LimitsConfig } from '../config/schema.ts';
import type { PredictedMove } from '../model/move-model.ts';
import type { Pair, Site, SiteTable } from './sites.ts';
import type { Vm } from './vm.ts';

export interface Proposal {
  readonly vm: Vm;
  readonly pair: Pair;
  readonly predicted: PredictedMove;
  readonly nowMs: number;
}

export interface Rules {
  readonly sites: SiteTable;
  readonly limits: LimitsConfig;
  readonly siteSilentMs: number;
  readonly maxMovesPerHour: number;
}

type Filter = (proposal: Proposal, rules: Rules) => boolean;

const HOUR_MS = 3_600_000;

/** True where the site may not be used. */
const REFUSALS: Record<string, Filter> = {
  draining: ({ pair }) => pair.to.draining,
  silent: ({ pair, nowMs }, { siteSilentMs }) => isSilent(pair.to, nowMs, siteSilentMs),
  full: ({ pair }) => freeSlots(pair.to) <= 0,
  'no-path': ({ pair }) => pair.paths.length === 0,
  'move-budget-spent': ({ vm, nowMs }, { maxMovesPerHour }) => movesInLastHour(vm, nowMs) >= maxMovesPerHour,
  'source-busy': ({ pair }, { limits }) => pair.from.moves >= limits.movesPerSite,
  'destination-busy': ({ pair }, { limits }) => pair.to.moves >= limits.movesPerSite,
  'path-busy': ({ pair }, { limits, sites }) => pair.paths.some((path) => sites.movesOn(path) >= limits.movesPerPath),
  'not-converging': ({ predicted }) => !predicted.converges,
};

/** Refusals that only protect against moving too often: an evacuation, or an operator, may go past them. */
const ONLY_FOR_COMFORT = new Set(['move-budget-spent']);

/**
 * The name of the first filter that refuses the proposal; undefined: the site is a candidate.
 * @param forced true for evacuations and operators' orders
 */
export function refusal(proposal: Proposal, rules: Rules, forced: boolean): string | undefined {
  for (const name in REFUSALS) {
    if (forced && ONLY_FOR_COMFORT.has(name)) continue;
    if (REFUSALS[name]!(proposal, rules)) return name;
  }
  return undefined;
}

export function isSilent(site: Site, nowMs: number, siteSilentMs: number): boolean {
  return nowMs - site.reportedAtMs > siteSilentMs;
}

/** Room at a site: what it says it runs, or what we placed there, whichever is more; and what is on its way. */
export function freeSlots(site: Site): number {
  return site.slots - Math.max(site.reportedVms, site.homes.size) - site.inbound;
}

export function movesInLastHour(vm: Vm, nowMs: number): number {
  return vm.movesAtMs.reduce((n, atMs) => (atMs > nowMs - HOUR_MS ? n + 1 : n), 0);
}
