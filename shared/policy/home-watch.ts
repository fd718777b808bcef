/** Watches the sites, and evaluates the VMs whose home comes, goes, drains, falls silent, or has room on its paths again. */
import type { LimitsConfig } from '../config/schema.ts';
import type { Data } from '../events/index.ts';
import type { Decider } from './decider.ts';
import { isSilent } from './evaluate/filters.ts';
import type { Relations } from './relations.ts';
import type { SiteTable } from './state/sites.ts';
import type { Vm } from './state/state.ts';
import type { Traffic } from './state/traffic.ts';
import { forgetPlaces, isAboutToEvacuate } from './state/vm.ts';

/** The parts of a `Placement` with which this watch works. */
export interface HomeWatchParts {
  readonly sites: SiteTable;
  readonly vms: ReadonlyMap<string, Vm>;
  readonly traffic: Traffic;
  readonly decider: Decider;
  readonly relations: Relations;
  readonly limits: Pick<LimitsConfig, 'movesPerSite'>;
  /** A site without a heartbeat for so long is silent; Infinity: none ever is. */
  readonly siteSilentMs: number;
}

/** Owned by one `Placement`. */
export class HomeWatch {
  readonly #parts: HomeWatchParts;
  #nextCheckMs = 0;

  constructor(parts: HomeWatchParts) {
    this.#parts = parts;
  }

  /** When `advance` has to be called next, in ms since the epoch; Infinity: never. */
  get nextCheckMs(): number {
    const { siteSilentMs, sites } = this.#parts;
    return Number.isFinite(siteSilentMs) && sites.list.length > 0 ? this.#nextCheckMs : Number.POSITIVE_INFINITY;
  }

  /** Evaluates the VMs of homes that have fallen silent. No event reports silence, so this checks at an interval. */
  advance(nowMs: number): void {
    if (nowMs < this.#nextCheckMs) return;
    const { siteSilentMs, sites, decider } = this.#parts;
    this.#nextCheckMs = nowMs + siteSilentMs / 2;
    for (const site of sites.list) if (isSilent(site, nowMs, siteSilentMs)) decider.evaluateAll(site.homes, nowMs);
  }

  /** Applies a heartbeat. */
  onReported(data: Data<'site.reported.v1'>): void {
    const { sites, vms, decider } = this.#parts;
    const { layout } = sites;
    const wasUsable = sites.isUsable(data.site);
    const site = sites.report(data);
    if (sites.layout !== layout) forgetPlaces(vms.values());
    if (site !== undefined && wasUsable !== !site.draining) decider.evaluateAll(site.homes, data.atMs);
  }

  /** Applies the removal of a site. */
  onRemoved(data: Data<'site.removed.v1'>): void {
    const { sites, vms, decider } = this.#parts;
    const site = sites.remove(data);
    if (site === undefined) return;
    forgetPlaces(vms.values());
    decider.evaluateAll(site.homes, data.atMs);
  }

  /** Call after a restart: evaluates VMs whose home began to drain, or whose relatives changed, meanwhile. */
  resume(nowMs: number): void {
    const { vms, decider, relations } = this.#parts;
    const isDue = (vm: Vm) => isAboutToEvacuate(vm) || relations.isBehind(vm);
    decider.evaluateAll([...vms.values()].filter(isDue), nowMs);
  }

  /**
   * Call after the end of a move: evaluates the VMs that could not leave the same lost home so far, until its limit is reached. Those
   * that wait for their turn are evaluated when it comes.
   */
  onMoveEnded(from: string, atMs: number): void {
    const { sites, traffic, decider, limits } = this.#parts;
    const site = sites.named(from);
    if (site.index < 0) return;
    // An evaluation may change the homes. Most sites have nobody to evacuate.
    const stranded: Vm[] = [];
    for (const vm of site.homes) if (vm.state === 'evacuating' && !traffic.waiting.has(vm.id)) stranded.push(vm);
    for (const vm of stranded) {
      if (site.moves >= limits.movesPerSite) return;
      decider.evaluate(vm, atMs);
    }
  }
}
