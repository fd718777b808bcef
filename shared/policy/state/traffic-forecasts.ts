/** The forecasts of the moves under way: each is predicted together with those that share uplinks with it (`model/shared-moves.ts`). */
import type { VmSpec } from '../../events/index.ts';
import type { MoveModel } from '../../model/move-model.ts';
import { type CopyProgress, predictTogether, type SharedForecast, type SharedMove } from '../../model/shared-moves.ts';
import type { SiteTable } from './sites.ts';
import type { Pair, Site } from './state.ts';
import type { MoveUnderWay } from './vm-context.ts';

/** A move under way, whoever ordered it. */
export interface TrafficMove
  extends Pick<
    MoveUnderWay,
    'decision' | 'from' | 'to' | 'paths' | 'orderedAtMs' | 'delayUserMsPerS' | 'shared' | 'switched'
  > {
  readonly vm: string;
  readonly spec: VmSpec;
}

/** A move under way, and what its events have told. */
export interface Tracked {
  readonly move: TrafficMove;
  readonly source: Site;
  readonly destination: Site;
  /** When it has sent its last byte, as far as events tell; Infinity: it may still send. */
  stoppedAtMs: number;
  shared: boolean;
  progress: CopyProgress | null;
  /** A later progress, which counts once its instant is over; null: there is none. */
  latest: CopyProgress | null;
  group: Group | undefined;
}

/** The forecasts of moves that share uplinks. Valid until one of them comes, goes or progresses, or until sites change. */
interface Group {
  isValid: boolean;
  readonly forecasts: ReadonlyMap<Tracked, { readonly pair: Pair; readonly forecast: SharedForecast }>;
}

const NOTHING: ReadonlySet<Tracked> = new Set();

/** Owned by one `Traffic`. */
export class TrafficForecasts {
  readonly #sites: SiteTable;
  readonly #model: MoveModel;
  readonly #leaving = new Map<Site, Set<Tracked>>();
  readonly #arriving = new Map<Site, Set<Tracked>>();

  constructor(sites: SiteTable, model: MoveModel) {
    this.#sites = sites;
    this.#model = model;
  }

  /** Adds a move. The forecasts of those beside it change. */
  add(tracked: Tracked): void {
    for (const other of this.beside(tracked)) forget(other);
    addTo(this.#leaving, tracked.source, tracked);
    addTo(this.#arriving, tracked.destination, tracked);
  }

  /** Removes a move. */
  remove(tracked: Tracked): void {
    forget(tracked);
    removeFrom(this.#leaving, tracked.source, tracked);
    removeFrom(this.#arriving, tracked.destination, tracked);
  }

  /** The moves that leave a site. */
  leaving(site: Site): ReadonlySet<Tracked> {
    return this.#leaving.get(site) ?? NOTHING;
  }

  /** The moves to a site. */
  arriving(site: Site): ReadonlySet<Tracked> {
    return this.#arriving.get(site) ?? NOTHING;
  }

  /** The moves that leave the same site or reach the same one, the move itself among them. */
  beside({ source, destination }: Tracked): Tracked[] {
    return [...this.leaving(source), ...this.arriving(destination)];
  }

  /** The sites of a move as a pair; undefined where one of them is not known, or was removed. */
  pairOf({ source, destination }: Pick<Tracked, 'source' | 'destination'>): Pair | undefined {
    return source.index < 0 || destination.index < 0 ? undefined : this.#sites.pair(source, destination);
  }

  /** The forecast of a move that has not stopped; undefined where it has no path any more. */
  of(tracked: Tracked): SharedForecast | undefined {
    const pair = this.pairOf(tracked);
    const known = tracked.group?.isValid ? tracked.group.forecasts.get(tracked) : undefined;
    // Another pair means that sites, uplinks or corrections have changed.
    if (known !== undefined && known.pair === pair) return known.forecast;
    if (pair === undefined || pair.paths.length === 0) return undefined;
    const lone = this.#ofLone(tracked, pair);
    if (lone !== undefined) {
      tracked.group = { isValid: true, forecasts: new Map([[tracked, { pair, forecast: lone }]]) };
      return lone;
    }
    const together = this.connected(pair);
    const pairs = together.map((other) => this.pairOf(other)!);
    const forecasts = this.together(together.map((other, i) => ({ pair: pairs[i]!, move: stateOf(other) })));
    const group: Group = {
      isValid: true,
      forecasts: new Map(together.map((other, i) => [other, { pair: pairs[i]!, forecast: forecasts[i]! }])),
    };
    for (const other of together) other.group = group;
    return group.forecasts.get(tracked)!.forecast;
  }

  /**
   * The forecast of a move that has its uplinks to itself, and of which nothing is known but its order: the same for each such move of a
   * pair, counted from the order. Most moves are of this kind. Undefined: it is not of this kind.
   */
  #ofLone({ move: { spec, orderedAtMs }, source, destination, progress, stoppedAtMs }: Tracked, pair: Pair) {
    if (progress !== null || stoppedAtMs !== Number.POSITIVE_INFINITY) return undefined;
    if (this.leaving(source).size > 1 || this.arriving(destination).size > 1) return undefined;
    if (pair.lone?.spec !== spec) {
      const [forecast] = this.together([{ pair, move: { spec, orderedAtMs: 0, progress: null } }]);
      pair.lone = { spec, forecast: forecast! };
    }
    const { durationMs, copyEndMs, ...rest } = pair.lone.forecast;
    // With the rounding of times since the epoch, as the prediction of several moves has it.
    return { ...rest, durationMs: orderedAtMs + durationMs - orderedAtMs, copyEndMs: orderedAtMs + copyEndMs };
  }

  /**
   * The moves that share an uplink with a move between these sites, or with one that does, and so on, without those that have stopped.
   * In order of their decisions.
   */
  connected({ from, to }: Pair): Tracked[] {
    const found = new Set<Tracked>();
    const sources = new Set([from]);
    const destinations = new Set([to]);
    const visit = (moves: ReadonlySet<Tracked>) => {
      for (const tracked of moves) {
        if (tracked.stoppedAtMs !== Number.POSITIVE_INFINITY) continue;
        if (found.has(tracked) || !this.pairOf(tracked)?.paths.length) continue;
        found.add(tracked);
        sources.add(tracked.source);
        destinations.add(tracked.destination);
      }
    };
    // The sets grow in the loop until nothing is added any more.
    for (let before = -1; found.size > before; ) {
      before = found.size;
      for (const site of sources) visit(this.leaving(site));
      for (const site of destinations) visit(this.arriving(site));
    }
    return [...found].sort((a, b) => (a.move.decision < b.move.decision ? -1 : 1));
  }

  /** The forecasts of some moves, as if they were the only ones. In the same order. */
  together(moves: readonly { pair: Pair; move: Omit<SharedMove, 'paths' | 'rttMs'> }[]): SharedForecast[] {
    const leaving = new Map<Site, Map<string, number>>();
    const arriving = new Map<Site, Map<string, number>>();
    const ratesBps: number[] = [];
    const link = (indices: Map<Site, Map<string, number>>, site: Site, provider: string) => {
      let ofSite = indices.get(site);
      if (ofSite === undefined) {
        ofSite = new Map();
        indices.set(site, ofSite);
      }
      let index = ofSite.get(provider);
      if (index === undefined) {
        index = ratesBps.push(site.uplinks.find((uplink) => uplink.provider === provider)!.rateBps) - 1;
        ofSite.set(provider, index);
      }
      return index;
    };
    const shared = moves.map(({ pair: { from, to, paths, rttMs }, move }) => {
      const links = paths.map(({ provider }) => [link(leaving, from, provider), link(arriving, to, provider)]);
      return { ...move, rttMs, paths: links };
    });
    return predictTogether(this.#model, ratesBps, shared);
  }
}

/** The parts of it that the prediction of a move needs. */
export function stateOf({ move: { spec, orderedAtMs }, progress }: Tracked): Omit<SharedMove, 'paths' | 'rttMs'> {
  return { spec, orderedAtMs, progress };
}

/** Drops the forecasts of a move, and of those that share uplinks with it. */
export function forget({ group }: Tracked): void {
  if (group !== undefined) group.isValid = false;
}

/** Adds a member to the set of a site. */
export function addTo<T>(sets: Map<Site, Set<T>>, site: Site, member: T): void {
  const present = sets.get(site);
  if (present === undefined) sets.set(site, new Set([member]));
  else present.add(member);
}

/** Removes a member from the set of a site. An empty set stays: moves come and go, and there are no more sets than sites. */
export function removeFrom<T>(sets: Map<Site, Set<T>>, site: Site, member: T): void {
  sets.get(site)?.delete(member);
}
