/** Collects the data that a report shows of a run beside its result, in memory that does not grow with the length of the run. */
import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { PolicyConfig } from '#shared/config/schema.ts';
import type { Data, Fact } from '#shared/events/index.ts';
import { isEnd } from '#shared/migration/outcome.ts';
import { moveCostUserMs } from '#shared/policy/evaluate/price.ts';
import type { Placement } from '#shared/policy/placement.ts';
import { weightOf } from '../engine.ts';
import type { Stay } from '../serving.ts';
import { Sketch, type SketchSummary } from '../sketch.ts';
import { boundsOf, type Density, DensityCounter } from './density.ts';
import { type VmCost, VmCosts } from './vm-costs.ts';
import type { Watcher } from './watcher.ts';

/** The report data contain so many pairs of sites, those with the most moves. */
const MOST_FLOWS = 200;
const WORST_VMS = 8;
const MINUTE_MS = 60_000;
/** A factor of 2 spans 128 classes, so quantiles are off by at most 0.27 %. */
const RATIO = 2 ** (1 / 128);

/** A site, and the VMs that arrived there and left it. */
export interface SiteData {
  readonly site: string;
  readonly lat: number;
  readonly lon: number;
  /** The sum of the time that VMs were there. */
  readonly vmHours: number;
  readonly arrived: number;
  readonly left: number;
}

/** The data of one run. */
export interface ReportData {
  readonly density: Density;
  readonly sites: readonly SiteData[];
  /** The number of moves for each pair of sites, the largest first. */
  readonly flows: readonly { readonly from: string; readonly to: string; readonly moves: number }[];
  /** Round-trip times of users, in milliseconds; the weight is in seconds × weight of the user. */
  readonly rttMs: SketchSummary;
  /** Interruptions by completed moves, in milliseconds. */
  readonly interruptionMs: SketchSummary;
  /** Dwell times of VMs at the sites that they left, in milliseconds. */
  readonly dwellMs: SketchSummary;
  /** The number of stays that lasted until the end of the run. */
  readonly stayed: number;
  /** The number of completed moves in each minute, from the first position on. */
  readonly movesByMinute: readonly number[];
  /** The most expensive VMs, the most expensive one first. */
  readonly worst: readonly VmCost[];
}

/** Collects the data of one run. */
export class ReportDataCollector implements Watcher {
  readonly #policy: PolicyConfig;
  readonly #worstVms: number;
  readonly #density: DensityCounter;
  readonly #sites: Map<string, { -readonly [K in keyof SiteData]: SiteData[K] }>;
  readonly #flows = new Map<string, number>();
  readonly #rtt = new Sketch(RATIO);
  readonly #interruption = new Sketch(RATIO);
  readonly #dwell = new Sketch(RATIO);
  readonly #movesByMinute: number[] = [];
  readonly #costs = new VmCosts((vm, atMs) => this.#placement!.explain(vm, atMs));
  #placement: Placement | undefined;
  #fromMs = 0;
  #stayed = 0;
  #ended = false;

  /**
   * @param policy prices the moves
   * @param worstVms the number of VMs in `worst`
   */
  constructor(sites: readonly SiteSpec[], policy: PolicyConfig, worstVms = WORST_VMS) {
    this.#policy = policy;
    this.#worstVms = worstVms;
    this.#density = new DensityCounter(boundsOf(sites));
    this.#sites = new Map(
      sites.map(({ site, lat, lon }) => [site, { site, lat, lon, vmHours: 0, arrived: 0, left: 0 }]),
    );
  }

  begin(placement: Placement, fromMs: number): void {
    this.#placement = placement;
    this.#fromMs = fromMs;
  }

  located({ lat, lon }: { readonly lat: number; readonly lon: number }): void {
    this.#density.add(lat, lon);
  }

  stayBegan(stay: Stay, before: Stay | undefined): void {
    if (this.#ended) return;
    this.#costs.stayBegan(stay);
    if (before === undefined) return;
    const stayedMs = before.toMs - before.fromMs;
    this.#dwell.add(stayedMs);
    this.#sites.get(before.site.id)!.vmHours += stayedMs / 3_600_000;
  }

  served(stay: Stay, atMs: number, userS: number, rttMs: number): void {
    this.#rtt.add(rttMs, userS);
    this.#costs.served(stay, atMs, userS, rttMs);
  }

  fact(fact: Fact): void {
    if (!isEnd(fact)) return;
    const completed = fact.type === 'migration.completed.v1';
    if (completed) this.#completed(fact.data);
    const { vm, figures } = fact.data;
    const userMs = moveCostUserMs(this.#policy, weightOf(this.#placement!.vms.get(vm)), figures);
    this.#costs.moved(vm, userMs, completed);
  }

  end(toMs: number): void {
    this.#ended = true;
    for (const { site, stayedMs } of this.#costs.end(toMs)) {
      this.#stayed++;
      this.#sites.get(site)!.vmHours += stayedMs / 3_600_000;
    }
  }

  reportData(): ReportData {
    const flows = [...this.#flows].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, MOST_FLOWS);
    return {
      density: this.#density.density(),
      sites: [...this.#sites.values()],
      flows: flows.map(([pair, moves]) => {
        const [from, to] = pair.split(' ') as [string, string];
        return { from, to, moves };
      }),
      rttMs: this.#rtt.summary(),
      interruptionMs: this.#interruption.summary(),
      dwellMs: this.#dwell.summary(),
      stayed: this.#stayed,
      movesByMinute: Array.from(this.#movesByMinute, (moves) => moves ?? 0),
      worst: this.#costs.worst(this.#worstVms),
    };
  }

  #completed({ from, to, atMs, figures }: Data<'migration.completed.v1'>): void {
    this.#sites.get(from)!.left++;
    this.#sites.get(to)!.arrived++;
    // Names of sites have no blanks.
    const pair = `${from} ${to}`;
    this.#flows.set(pair, (this.#flows.get(pair) ?? 0) + 1);
    this.#interruption.add(figures.interruptionMs);
    const minute = Math.floor((atMs - this.#fromMs) / MINUTE_MS);
    this.#movesByMinute[minute] = (this.#movesByMinute[minute] ?? 0) + 1;
  }
}
