/** The sites, the pairs of sites with their paths, and the corrections that finished moves have taught. */
import { TagalongError } from '../../errors.ts';
import type { Data, FactOf, Figures, VmSpec } from '../../events/index.ts';
import { SiteIndex } from '../../geo/site-index.ts';
import { Counts } from '../../model/counts.ts';
import { type NetworkModel, siteRttMs } from '../../model/network.ts';
import { type Path, pathsBetween, type Uplink } from '../../model/paths.ts';
import type { Correction, Pair, Site } from './state.ts';

/** Measured ÷ predicted of one finished move, clamped to 0.1 to 10; null if nothing usable was measured. JSON. */
export interface Sample {
  readonly duration: number | null;
  readonly interruption: number | null;
}

/** The sample that one completed move adds to the correction of its pair. */
export interface Lesson {
  /** The pair's key. */
  readonly pair: string;
  readonly migration: string;
  readonly sample: Sample;
}

/** The correction of a pair without a measured move: it leaves predictions unchanged. */
export const UNCORRECTED: Correction = { duration: 1, interruption: 1, samples: 0 };
/** Weight of the newest move in the exponential average. The first move counts in full: an unchecked prediction is worth little. */
const NEWEST_WEIGHT = 0.3;
/** Bounds of a ratio: a single outlier must not make a pair look a hundred times better or worse than it is. */
const CORRECTION_RANGE = [0.1, 10] as const;

/**
 * All sites by name and by index, the counts of their moves, and the pairs with their corrections. Owned by one `Placement`. Its
 * caller adds the moves and corrections of other processes.
 */
export class SiteTable {
  readonly #network: NetworkModel;
  readonly #byId = new Map<string, Site>();
  readonly #list: Site[] = [];
  readonly #corrections = new Map<string, Correction>();
  /** Moves under way, by path id. */
  readonly #movesByPath = new Counts();
  #index = new SiteIndex([]);
  #indexed = true;
  #layout = 0;
  /** Incremented when pairs become outdated: a site comes, moves or goes, or uplinks or corrections change. */
  #generation = 0;

  constructor(network: NetworkModel) {
    this.#network = network;
  }

  get(id: string): Site | undefined {
    return this.#byId.get(id);
  }

  /** A site that was reported. @throws TagalongError SITE_UNKNOWN */
  known(id: string): Site {
    const site = this.#byId.get(id);
    if (site !== undefined && site.index >= 0) return site;
    const names = this.#list.map((other) => other.id).join(', ');
    throw new TagalongError('SITE_UNKNOWN', `no site "${id}" is known; choose one of ${names}`);
  }

  /** A number that changes when a site comes, moves or goes. */
  get layout(): number {
    return this.#layout;
  }

  /** True if a site exists and is not draining. */
  isUsable(id: string): boolean {
    const site = this.#byId.get(id);
    return site !== undefined && site.index >= 0 && !site.draining;
  }

  get list(): readonly Site[] {
    return this.#list;
  }

  /** The index for searches of the nearest sites; rebuilt at the first use after a site came, moved or went. */
  get index(): SiteIndex {
    if (!this.#indexed) {
      this.#index = new SiteIndex(this.#list);
      this.#indexed = true;
    }
    return this.#index;
  }

  /** The site of that name, created if it is new. Before its first heartbeat it has no position (`index` -1). */
  named(id: string): Site {
    let site = this.#byId.get(id);
    if (site === undefined) {
      site = {
        id,
        index: -1,
        lat: 0,
        lon: 0,
        slots: 0,
        uplinks: [],
        draining: false,
        drainedBy: undefined,
        reportedAtMs: -1,
        removedAtMs: -1,
        reportedVms: 0,
        pairs: new Map(),
        homes: new Set(),
        inbound: 0,
        moves: 0,
      };
      this.#byId.set(id, site);
    }
    return site;
  }

  /** Applies a heartbeat. @returns the site; undefined if the heartbeat is older than the last one and changes nothing */
  report(data: Data<'site.reported.v1'>): Site | undefined {
    const site = this.named(data.site);
    if (data.atMs < site.reportedAtMs || data.atMs <= site.removedAtMs) return undefined;
    const placed = site.index >= 0;
    if (!placed) site.index = this.#list.push(site) - 1;
    const moved = !placed || site.lat !== data.lat || site.lon !== data.lon;
    if (moved) this.#moved();
    if (moved || !sameUplinks(site.uplinks, data.uplinks)) this.#generation++;
    site.lat = data.lat;
    site.lon = data.lon;
    site.slots = data.slots;
    site.uplinks = data.uplinks;
    site.draining = data.draining;
    site.drainedBy = data.drainedBy;
    site.reportedAtMs = data.atMs;
    site.reportedVms = data.vms.length;
    site.report = data;
    return site;
  }

  /**
   * Removes a site, until a later heartbeat adds it again. The last site of the list gets its index.
   * @returns the site; undefined if it has sent a later heartbeat, or was not in the list
   */
  remove({ site: id, atMs }: Data<'site.removed.v1'>): Site | undefined {
    const site = this.named(id);
    if (atMs < site.reportedAtMs) return undefined;
    site.removedAtMs = Math.max(site.removedAtMs, atMs);
    if (site.index < 0) return undefined;
    const last = this.#list.pop()!;
    if (last !== site) {
      this.#list[site.index] = last;
      last.index = site.index;
    }
    site.index = -1;
    this.#moved();
    this.#generation++;
    return site;
  }

  #moved(): void {
    this.#indexed = false;
    this.#layout++;
  }

  /** The facts from which another table can be built: the latest heartbeats, and the removals. */
  facts(): FactOf<'site.reported.v1' | 'site.removed.v1'>[] {
    const removed = [...this.#byId.values()].filter(({ removedAtMs }) => removedAtMs >= 0);
    return [
      ...removed.map(({ id, removedAtMs: atMs }) => ({ type: 'site.removed.v1', data: { site: id, atMs } }) as const),
      ...this.#list.map(({ report }) => ({ type: 'site.reported.v1', data: report! }) as const),
    ];
  }

  /** The pair of two sites that have sent a heartbeat; cached until it becomes outdated. */
  pair(from: Site, to: Site): Pair {
    let pair = from.pairs.get(to.index);
    if (pair === undefined || pair.generation !== this.#generation) {
      const key = `${from.id}~${to.id}`;
      pair = {
        key,
        generation: this.#generation,
        from,
        to,
        paths: pathsBetween({ site: from.id, uplinks: from.uplinks }, { site: to.id, uplinks: to.uplinks }),
        rttMs: siteRttMs(this.#network, this.index.betweenKm(from.index, to.index)),
        correction: this.#corrections.get(key) ?? UNCORRECTED,
      };
      from.pairs.set(to.index, pair);
    }
    return pair;
  }

  /** Number of moves under way on a path. */
  movesOn(path: Path): number {
    return this.#movesByPath.of(path.id);
  }

  /** Adds a move to the counts of both sites and of its paths (+1), or removes it (-1). */
  count(from: Site, to: Site, paths: readonly string[], change: 1 | -1): void {
    from.moves += change;
    to.moves += change;
    to.inbound += change;
    for (const path of paths) this.#movesByPath.add(path, change);
  }

  /**
   * Updates the correction of a pair with a finished move.
   * @param raw the model's prediction before correction
   * @param measured see `usableTimes`
   * @returns the pair's key and the sample, to be persisted
   */
  learn(
    from: string,
    to: string,
    raw: MoveTimes,
    { durationMs, interruptionMs }: Partial<MoveTimes>,
  ): { key: string; sample: Sample } {
    const pair = this.pair(this.named(from), this.named(to));
    const sample = {
      duration: clampedRatio(durationMs, raw.durationMs),
      interruption: clampedRatio(interruptionMs, raw.interruptionMs),
    };
    pair.correction = corrected(pair.correction, sample);
    this.#corrections.set(pair.key, pair.correction);
    return { key: pair.key, sample };
  }

  /** Replaces the correction of a pair by the stored one. */
  restoreCorrection(key: string, correction: Correction): void {
    const known = this.#corrections.get(key);
    if (known !== undefined && sameCorrection(known, correction)) return;
    this.#corrections.set(key, correction);
    this.#generation++;
  }
}

interface MoveTimes {
  readonly durationMs: number;
  readonly interruptionMs: number;
}

/**
 * The measured times that may correct predictions. A prediction always includes the whole disk. If a move sent less, because the
 * destination still had the disk from an earlier stay, only its interruption is used.
 */
export function usableTimes(figures: Figures, { diskBytes }: VmSpec): Partial<MoveTimes> {
  const { durationMs, interruptionMs, bytes } = figures;
  return bytes < diskBytes ? { interruptionMs } : { durationMs, interruptionMs };
}

/** A correction after one more move: new = old + 0.3 × (ratio - old), or the ratio itself for the first move. */
export function corrected({ duration, interruption, samples }: Correction, sample: Sample): Correction {
  const weight = samples === 0 ? 1 : NEWEST_WEIGHT;
  const smooth = (old: number, ratio: number | null) => (ratio === null ? old : old + weight * (ratio - old));
  return {
    duration: smooth(duration, sample.duration),
    interruption: smooth(interruption, sample.interruption),
    samples: samples + 1,
  };
}

function sameCorrection(a: Correction, b: Correction): boolean {
  return a.duration === b.duration && a.interruption === b.interruption && a.samples === b.samples;
}

function clampedRatio(measuredMs: number | undefined, predictedMs: number): number | null {
  const ratio = measuredMs === undefined ? Number.NaN : measuredMs / predictedMs;
  return Number.isFinite(ratio) ? Math.min(CORRECTION_RANGE[1], Math.max(CORRECTION_RANGE[0], ratio)) : null;
}

function sameUplinks(a: readonly Uplink[], b: readonly Uplink[]): boolean {
  return a.length === b.length && a.every((u, i) => u.provider === b[i]!.provider && u.rateBps === b[i]!.rateBps);
}
