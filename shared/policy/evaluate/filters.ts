/**
 * Filters: the reasons why a site must not be chosen, whatever the gain. A filter is a few comparisons. Its name is published when
 * it refuses. Filters run in this order, the cheapest first, and the first refusal counts. `decide/words.ts` has the words for each
 * name.
 */
import type { LimitsConfig } from '../../config/schema.ts';
import { MAX_MOVES_KEPT } from '../../events/bounds.ts';
import type { PredictedMove } from '../../model/move-model.ts';
import { leads, type Peers, siteOf } from '../state/peers.ts';
import type { SiteTable } from '../state/sites.ts';
import type { Pair, Site, Vm } from '../state/state.ts';
import type { DecisionSource } from '../state/vm-context.ts';
import { isAllowed } from './affinity.ts';
import type { Companion } from './group.ts';

/** A move that the filters check. */
export interface Proposal {
  readonly vm: Vm;
  readonly pair: Pair;
  readonly predicted: PredictedMove;
  /** The VMs of its group that go along. */
  readonly companions: readonly Companion[];
  readonly nowMs: number;
}

/** The limits against which the filters check, and the sites. */
export interface FilterSettings {
  readonly sites: SiteTable;
  readonly peers: Peers;
  readonly limits: LimitsConfig;
  readonly siteSilentMs: number;
  readonly maxMovesPerHour: number;
  /** Time in ms during which a VM may not return to the site that it has left. */
  readonly returnPauseMs: number;
  /** Time in ms after a move during which a VM cannot move again. */
  readonly coolingMs: number;
  /** True: an operator has paused moves to better sites. */
  readonly isPaused: () => boolean;
}

type Filter = (proposal: Proposal, settings: FilterSettings) => boolean;

const HOUR_MS = 3_600_000;
/** Time after which a refused move is tried again: a limit is reached for about as long as a move takes. */
const RETRY_MS = 30_000;

/** Each returns true where it refuses the site. */
const FILTERS = {
  'not-allowed': ({ vm, pair }) => !isAllowed(vm.affinity, pair.to.id),
  draining: ({ pair }) => pair.to.draining,
  silent: ({ pair, nowMs }, { siteSilentMs }) => isSilent(pair.to, nowMs, siteSilentMs),
  full: ({ pair }) => freeSlots(pair.to) <= 0,
  'no-path': ({ pair }) => pair.paths.length === 0,
  'just-left': ({ vm, pair, nowMs }, { returnPauseMs }) =>
    vm.cameFrom !== null && vm.cameFrom.site === pair.to.id && nowMs - vm.cameFrom.atMs < returnPauseMs,
  'move-budget-spent': ({ vm, nowMs }, { maxMovesPerHour }) => movedOften(vm, nowMs, maxMovesPerHour),
  'source-busy': ({ pair }, { limits }) => pair.from.moves >= limits.movesPerSite,
  'destination-busy': ({ pair }, { limits }) => pair.to.moves >= limits.movesPerSite,
  // The moves of a site are at least as many as those on each of its paths.
  'path-busy': ({ pair }, { limits: { movesPerPath }, sites }) =>
    pair.from.moves >= movesPerPath &&
    pair.to.moves >= movesPerPath &&
    pair.paths.some((path) => sites.movesOn(path) >= movesPerPath),
  'not-converging': ({ predicted }) => !predicted.converges,
  'kept-apart': ({ vm, pair }, { peers }) => peers.isShared(vm, pair.to.id),
  'follows-lead': ({ vm, pair }, { peers }) => {
    const lead = peers.leadOf(vm);
    return lead !== undefined && siteOf(lead) !== pair.to.id;
  },
  'group-moving': ({ vm, nowMs }, { peers, coolingMs }) =>
    leads(vm) &&
    peers
      .followersOf(vm.id)
      .some(
        ({ context, lastMove }) => context.move !== null || (lastMove !== null && nowMs < lastMove.atMs + coolingMs),
      ),
  'group-not-allowed': ({ pair, companions }, { peers }) =>
    companions.some(({ vm }) => !isAllowed(vm.affinity, pair.to.id) || peers.isShared(vm, pair.to.id)),
  'group-full': ({ pair, companions }) => companions.length > 0 && freeSlots(pair.to) <= companions.length,
  'group-not-converging': ({ companions }) => companions.some(({ predicted }) => !predicted.converges),
  // The last filter, so that a pause does not hide another refusal.
  'automation-paused': (_, { isPaused }) => isPaused(),
} satisfies Record<string, Filter>;

/** The name of a filter, as published. */
export type FilterName = keyof typeof FILTERS;

/** Filters that ask for a declaration about sites or other VMs: no other VM needs them. */
const ABOUT_AFFINITY: ReadonlySet<string> = new Set<FilterName>([
  'not-allowed',
  'kept-apart',
  'follows-lead',
  'group-moving',
  'group-not-allowed',
  'group-full',
  'group-not-converging',
]);
/** Those that an evacuation passes where no site obeys them. */
const SOFT: ReadonlySet<string> = new Set([...ABOUT_AFFINITY].filter((name) => name !== 'not-allowed'));
/** Filters that prevent unnecessary moves only: evacuations and operators' orders pass them. */
const ONLY_FOR_COMFORT: ReadonlySet<string> = new Set<FilterName>([
  'just-left',
  'move-budget-spent',
  'automation-paused',
]);
/** Filters about the destination. As reasons of a VM they get the prefix `better-site-`: without it they would describe its home. */
export const ABOUT_DESTINATION: ReadonlySet<string> = new Set<FilterName>([
  'not-allowed',
  'draining',
  'silent',
  'full',
]);

const ALL = Object.entries<Filter>(FILTERS).map(([name, refuses]) => ({ name, refuses }));
const listsOf = (isPassed: (name: string) => boolean) => {
  const declared = ALL.filter(({ name }) => !isPassed(name));
  return { declared, plain: declared.filter(({ name }) => !ABOUT_AFFINITY.has(name)) };
};
/** The filters that a move has to pass, by its source: of a VM with an affinity, and of any other. */
const LISTS: Readonly<Record<DecisionSource, ReturnType<typeof listsOf>>> = {
  policy: listsOf(() => false),
  operator: listsOf((name) => ONLY_FOR_COMFORT.has(name)),
  evacuation: listsOf((name) => ONLY_FOR_COMFORT.has(name) || SOFT.has(name)),
};
const SOFT_ONES = ALL.filter(({ name }) => SOFT.has(name));

/** The name of the first filter that refuses the proposal; undefined: the site is a candidate. @param source of the move */
export function refusal(proposal: Proposal, settings: FilterSettings, source: DecisionSource): string | undefined {
  const { declared, plain } = LISTS[source];
  for (const { name, refuses } of proposal.vm.affinity === null ? plain : declared) {
    if (refuses(proposal, settings)) return name;
  }
  return undefined;
}

/** True if the site disobeys a declaration that evacuations may have to pass: they prefer sites that obey it. */
export function breaksDeclaration(proposal: Proposal, settings: FilterSettings): boolean {
  return proposal.vm.affinity !== null && SOFT_ONES.some(({ refuses }) => refuses(proposal, settings));
}

/** When to evaluate a refused VM again: when the filter will pass it, if that time is known; otherwise after 30 s. */
export function retryAtMs(filter: string, vm: Vm, policy: { readonly returnPauseMs: number }, nowMs: number): number {
  if (filter === 'just-left' && vm.cameFrom) return vm.cameFrom.atMs + policy.returnPauseMs;
  if (filter === 'move-budget-spent') return (movesInLastHour(vm, nowMs)[0] ?? nowMs) + HOUR_MS;
  return nowMs + RETRY_MS;
}

/** True if the site's last heartbeat is older than `siteSilentMs`. */
export function isSilent(site: Site, nowMs: number, siteSilentMs: number): boolean {
  return nowMs - site.reportedAtMs > siteSilentMs;
}

/** Free slots: slots - max(VMs that the site reports, VMs whose home it is here) - moves on their way to it. */
function freeSlots(site: Site): number {
  return site.slots - Math.max(site.reportedVms, site.homes.size) - site.inbound;
}

/** The times at which the VM's moves of the last hour were ordered, the oldest first. */
export function movesInLastHour({ movesAtMs }: Vm, nowMs: number): number[] {
  return movesAtMs.filter((atMs) => atMs > nowMs - HOUR_MS).slice(1 - MAX_MOVES_KEPT);
}

/** True for at least `moves` moves in the last hour. The cheap check comes first: most VMs have fewer stored. */
function movedOften(vm: Vm, nowMs: number, moves: number): boolean {
  return vm.movesAtMs.length >= moves && movesInLastHour(vm, nowMs).length >= moves;
}
