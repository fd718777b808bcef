/**
 * The forecast of stays, learned from the users of all VMs: for each site, and for each way of entering it (the site before), how long
 * it remained the best one. It knows no user. A site seen seldom borrows from all sites, a way of entering from its site.
 *
 * Several processes learn. So that all decide alike, each publishes what its VMs' users did in a period, and a period counts in all
 * of them from the same instant on, one period after its end. The counts are whole numbers, halved each week: sums of them are exact,
 * in whichever order they come.
 */
import { BINS, exceededMs, type StayCurve, UNKNOWN_HAZARD } from './stay-curve.ts';

/** Length of a period, in ms. */
export const PERIOD_MS = 300_000;
/** Each week the counts of the past are halved. */
const WEEK_MS = 7 * 24 * 3_600_000;
const PERIODS_A_WEEK = WEEK_MS / PERIOD_MS;
/** So many stays of the wider circle (all sites; the site) count beside those of the narrower one. */
const BORROWED = 1;
/** The most rows. Further ways of entering count at their site only; further sites among all. 7 MB. */
const MAX_ROWS = 32_768;
/** At the end of a week, while more than half of the rows are in use, a row with less than this is dropped: one stay, after four weeks. */
const LEAST = 1 / 16;

/** A stay that has ended. JSON; stored with the VM. */
export interface EndedStay {
  readonly site: string;
  /** The site before; null: none is known. */
  readonly from: string | null;
  /** How long the site remained the best one. */
  readonly ms: number;
  /** Number of the period in which this became known. */
  readonly period: number;
}

/** Number of stays that ended at one site, by the site before (left out: none is known) and the bin of their length. */
export interface StayCount {
  readonly site: string;
  readonly from?: string;
  readonly bin: number;
  /** Whole when published; halved each week afterwards. */
  readonly stays: number;
}

/** The stays of the users of one partition's VMs that ended in one period. */
export interface StayBatch {
  readonly partition: number;
  /** Number of the period since the epoch. */
  readonly period: number;
  readonly counts: readonly StayCount[];
}

/** A summary of the stays at one site. Counts are halved each week. */
export interface SiteStays {
  readonly site: string;
  readonly stays: number;
  /** A half of the stays last longer, and a tenth. In ms. */
  readonly medianMs: number;
  readonly longMs: number;
  /** The sites from which users came, the most frequent first. Users without a known site before are left out. */
  readonly from: readonly { readonly site: string; readonly stays: number; readonly medianMs: number }[];
  /** The sites at which they stayed next, the most frequent first. */
  readonly to: readonly { readonly site: string; readonly stays: number }[];
}

/** The rows of one site. */
interface SiteRows {
  readonly row: number;
  readonly from: Map<string, number>;
}

/** The period of an instant. */
export function periodOf(atMs: number): number {
  return Math.floor(atMs / PERIOD_MS);
}

/** The week of a period, since the epoch. */
export function weekOf(period: number): number {
  return Math.floor(period / PERIODS_A_WEEK);
}

/** The learned stays. Owned by one `Placement`. */
export class Forecast {
  #rows = new Map<string, SiteRows>();
  #rowCount = 1;
  /** BINS numbers a row; the first row is that of all sites. */
  #counts = new Float64Array(BINS * 64);
  /** By row of the narrowest circle that is known. */
  readonly #hazards = new Map<number, Float64Array>();
  #week = Number.NEGATIVE_INFINITY;
  /** Batches whose time has not come. */
  #waiting: StayBatch[] = [];
  #mergeAtMs = Number.POSITIVE_INFINITY;
  /** By partition: the last period that was added. */
  readonly #added = new Map<number, number>();

  /** Takes over all that a partition has counted up to a period: the counts of `batch`, halved up to the week of its period. */
  restore(batch: StayBatch): void {
    this.#added.set(batch.partition, batch.period);
    this.#count([batch]);
  }

  /** Takes over the batches that another forecast has received and this one has not, before their time has come. */
  takeWaiting(other: Forecast): void {
    for (const batch of other.#waiting) this.add(batch);
  }

  /**
   * Adds a batch; a repeat changes nothing. It counts from one period after its end.
   * @param nowMs the clock: a batch of a later period is ignored, because it would keep out the true ones before it
   */
  add(batch: StayBatch, nowMs = Number.POSITIVE_INFINITY): void {
    const { partition, period } = batch;
    if (period * PERIOD_MS > nowMs) return;
    if (period <= (this.#added.get(partition) ?? Number.NEGATIVE_INFINITY)) return;
    this.#added.set(partition, period);
    this.#waiting.push(batch);
    this.#mergeAtMs = Math.min(this.#mergeAtMs, (period + 2) * PERIOD_MS);
  }

  /**
   * Sets the hazards of a stay.
   * @param nowMs the clock
   * @returns false: nothing is known of this site
   */
  outlook(site: string, from: string | null, nowMs: number, curve: StayCurve): boolean {
    if (nowMs >= this.#mergeAtMs) this.#merge(nowMs);
    const known = this.#rows.get(site);
    if (known === undefined) return false;
    const way = from === null ? undefined : known.from.get(from);
    curve.hazards.set(this.#hazardsOf(known.row, way));
    return true;
  }

  /** The hazards at a site, by the way of entering where it is known. They are computed once until counts are added. */
  #hazardsOf(row: number, way: number | undefined): Float64Array {
    let hazards = this.#hazards.get(way ?? row);
    if (hazards === undefined) {
      hazards = new Float64Array(BINS).fill(UNKNOWN_HAZARD);
      this.#sharpen(0, hazards);
      this.#sharpen(row, hazards);
      if (way !== undefined) this.#sharpen(way, hazards);
      this.#hazards.set(way ?? row, hazards);
    }
    return hazards;
  }

  /** A summary for people, site by site, in order of their names. @param nowMs the clock */
  summary(nowMs: number): SiteStays[] {
    if (nowMs >= this.#mergeAtMs) this.#merge(nowMs);
    const to = new Map<string, { site: string; stays: number }[]>();
    const sites = [...this.#rows].map(([site, { row, from }]) => {
      const ways = [...from].map(([before, way]) => {
        const stays = this.#total(way);
        to.set(before, [...(to.get(before) ?? []), { site, stays }]);
        return { site: before, stays, medianMs: Math.round(exceededMs(this.#row(way), 0.5)) };
      });
      const counts = this.#row(row);
      const [medianMs, longMs] = [0.5, 0.1].map((share) => Math.round(exceededMs(counts, share))) as [number, number];
      return { site, stays: this.#total(row), medianMs, longMs, from: ways.sort(byStays) };
    });
    return sites
      .map((each) => ({ ...each, to: (to.get(each.site) ?? []).sort(byStays) }))
      .sort((a, b) => (a.site < b.site ? -1 : 1));
  }

  #row(row: number): Float64Array {
    return this.#counts.subarray(row * BINS, (row + 1) * BINS);
  }

  #total(row: number): number {
    return this.#row(row).reduce((a, b) => a + b, 0);
  }

  /** Mixes what a row knows into hazards of the wider circle. */
  #sharpen(row: number, hazards: Float64Array): void {
    const counts = this.#counts;
    const first = row * BINS;
    let lasted = 0;
    for (let bin = BINS - 1; bin >= 0; bin--) {
      const ended = counts[first + bin]!;
      lasted += ended;
      hazards[bin] = (ended + BORROWED * hazards[bin]!) / (lasted + BORROWED);
    }
  }

  #merge(nowMs: number): void {
    const due = (batch: StayBatch) => (batch.period + 2) * PERIOD_MS <= nowMs;
    const batches = this.#waiting.filter(due);
    this.#waiting = this.#waiting.filter((batch) => !due(batch));
    this.#mergeAtMs = Math.min(
      ...this.#waiting.map(({ period }) => (period + 2) * PERIOD_MS),
      Number.POSITIVE_INFINITY,
    );
    this.#count(batches);
  }

  #count(batches: readonly StayBatch[]): void {
    this.#hazards.clear();
    const week = Math.max(...batches.map(({ period }) => weekOf(period)));
    if (week > this.#week) this.#fade(week);
    for (const { period, counts } of batches) {
      const weight = 2 ** (weekOf(period) - this.#week);
      for (const { site, from, bin, stays } of counts) this.#learn(site, from, bin, stays * weight);
    }
  }

  #learn(site: string, from: string | undefined, bin: number, stays: number): void {
    this.#counts[bin]! += stays;
    let known = this.#rows.get(site);
    if (known === undefined) {
      const row = this.#newRow();
      if (row === undefined) return;
      known = { row, from: new Map() };
      this.#rows.set(site, known);
    }
    this.#counts[known.row * BINS + bin]! += stays;
    if (from === undefined) return;
    const way = known.from.get(from) ?? this.#newRow();
    if (way === undefined) return;
    known.from.set(from, way);
    this.#counts[way * BINS + bin]! += stays;
  }

  #newRow(): number | undefined {
    if (this.#rowCount === MAX_ROWS) return undefined;
    if ((this.#rowCount + 1) * BINS > this.#counts.length) {
      const grown = new Float64Array(this.#counts.length * 2);
      grown.set(this.#counts);
      this.#counts = grown;
    }
    return this.#rowCount++;
  }

  /** Begins a week: halves all counts for each week that has passed, and drops rows of which little is left. */
  #fade(week: number): void {
    const factor = Number.isFinite(this.#week) ? 2 ** (this.#week - week) : 1;
    this.#week = week;
    if (factor === 1) return;
    const before = this.#counts;
    const rows = this.#rows;
    const least = this.#rowCount > MAX_ROWS / 2 ? LEAST : 0;
    const totals = Float64Array.from({ length: this.#rowCount }, (_, row) => this.#total(row) * factor);
    const take = (old: number, row: number) => {
      for (let bin = 0; bin < BINS; bin++) this.#counts[row * BINS + bin] = before[old * BINS + bin]! * factor;
    };
    this.#rows = new Map();
    this.#counts = new Float64Array(before.length);
    this.#rowCount = 1;
    take(0, 0);
    for (const [site, { row, from }] of rows) {
      if (totals[row]! < least) continue;
      const kept: SiteRows = { row: this.#newRow()!, from: new Map() };
      this.#rows.set(site, kept);
      take(row, kept.row);
      for (const [site, old] of from) {
        if (totals[old]! < least) continue;
        const way = this.#newRow()!;
        kept.from.set(site, way);
        take(old, way);
      }
    }
  }
}

function byStays(
  a: { readonly site: string; readonly stays: number },
  b: { readonly site: string; readonly stays: number },
) {
  return b.stays - a.stays || (a.site < b.site ? -1 : 1);
}
