/**
 * The moves under way on the uplinks of the sites: those of this process and those of others. It predicts when they end, what a
 * further move would take beside them, and how much that would delay them.
 *
 * A forecast depends on the orders, and on the last progress event of each move before the present instant. It does not depend on who
 * asks, nor on the order in which events of one instant arrive. So all processes come to the same forecasts. Progress is not
 * stored: after a restart a move counts as far as predicted, until its next progress event.
 */
import type { FactOf, VmSpec } from '../../events/index.ts';
import { contradicts } from '../../migration/ordered-moves.ts';
import { leadMs, type MoveModel, type PredictedMove } from '../../model/move-model.ts';
import type { SharedForecast } from '../../model/shared-moves.ts';
import { progressAfter } from './copy-progress.ts';
import type { SiteTable } from './sites.ts';
import type { Pair, Site } from './state.ts';
import { forget, stateOf, type Tracked, TrafficForecasts, type TrafficMove } from './traffic-forecasts.ts';
import { WaitingVms } from './waiting.ts';

/** The prediction of a move beside those under way. */
export interface SharedPrediction {
  readonly move: PredictedMove;
  /** The cost of the delay for the users of the others, in user-milliseconds. */
  readonly delayUserMs: number;
}

/** Receives the changes of the traffic on which its owner acts. */
export interface TrafficListener {
  /** A move has had to share an uplink. Called once a move. */
  shared(decision: string): void;
  /** These VMs wait for links that are free earlier than expected. */
  freed(vms: readonly string[], atMs: number): void;
}

/** Shorter delays come from rounding. */
const LEAST_DELAY_MS = 1;
/** Two moves share an uplink if both send for so long. The next in turn begins just when the one before has sent its last byte. */
const SHARES_MS = 1_000;
/** A move that has not switched over so long after its predicted end is late: nobody knows when its links will be free. */
const LATE_MS = 2_000;
/** The end of a move that is late by so much was lost: a migrator gives up much earlier. It does not keep its links any more. */
const LOST_MS = 300_000;
/**
 * A move that still copies for longer than this shares its links, whatever it is worth: nobody waits for it, and nobody pays for its
 * delay. Otherwise one VM with wrong figures would hold up the others of its site for days.
 */
const LONGEST_HOLD_MS = 3_600_000;
/** A link that another move leaves at least this share of the rate that a path could have is not busy. */
const ROOM = 0.5;

/** A move that holds a link. */
interface LinkUser {
  /** The rate of its path over this link. */
  readonly rateBps: number;
  /** All its paths. */
  readonly paths: Pair['paths'];
  /** When it has sent its last byte, in ms since the epoch; Infinity: it is late. */
  readonly endMs: number;
}

/** Owned by one `Placement`. Its size is bounded by the moves under way and the VMs that wait. */
export class Traffic {
  /** The VMs that wait for their turn. The owner deletes those that wait no more. */
  readonly waiting = new WaitingVms();
  readonly #sites: SiteTable;
  readonly #model: MoveModel;
  readonly #listener: TrafficListener;
  readonly #moves = new Map<string, Tracked>();
  readonly #forecasts: TrafficForecasts;
  /** Moves whose latest progress does not count yet. */
  readonly #progressed = new Set<Tracked>();
  /** The answers of `freeAtMs` at one instant, until a move comes, goes, stops or progresses. */
  readonly #freeAt = new Map<Pair, number>();
  #freeAtNowMs = Number.NaN;

  constructor(sites: SiteTable, model: MoveModel, listener: TrafficListener) {
    this.#sites = sites;
    this.#model = model;
    this.#listener = listener;
    this.#forecasts = new TrafficForecasts(sites, model);
  }

  /** Adds a move: one that was just ordered, or one from a record. */
  add(move: TrafficMove): void {
    const [source, destination] = [this.#sites.named(move.from), this.#sites.named(move.to)];
    const tracked: Tracked = {
      ...{ move, source, destination, shared: move.shared, progress: null, latest: null, group: undefined },
      // A record does not have the time of the switch-over. Its `shared` covers the time before.
      stoppedAtMs: move.switched ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY,
    };
    this.#moves.set(move.decision, tracked);
    this.#forecasts.add(tracked);
    this.#freeAt.clear();
    this.#sites.count(source, destination, move.paths, 1);
  }

  /** Removes a move, if it is there. */
  end(decision: string, atMs: number): void {
    const tracked = this.#moves.get(decision);
    if (tracked === undefined) return;
    this.#stop(tracked, atMs);
    const { source, destination, move } = tracked;
    this.#forecasts.remove(tracked);
    this.#freeAt.clear();
    this.#moves.delete(decision);
    this.#progressed.delete(tracked);
    this.#sites.count(source, destination, move.paths, -1);
  }

  /** Notes how far a move has come. Ignores events that do not fit its order: each client of the bus can make them up. */
  note(fact: FactOf<'migration.progressed.v1'>, nowMs: number): void {
    const tracked = this.#moves.get(fact.data.migration);
    if (tracked === undefined) return;
    const { move, progress, latest } = tracked;
    if (contradicts({ ...move, atMs: move.orderedAtMs }, fact, nowMs)) return;
    const next = progressAfter(latest ?? progress, fact.data, move.spec);
    if (next === undefined) return;
    if (latest !== null && latest.atMs < next.atMs) {
      tracked.progress = latest;
      forget(tracked);
      this.#freeAt.clear();
    }
    tracked.latest = next;
    this.#progressed.add(tracked);
  }

  /** Notes that a VM has switched over: its move sends nothing more. */
  switched(decision: string, atMs: number): void {
    const tracked = this.#moves.get(decision);
    if (tracked !== undefined) this.#stop(tracked, atMs);
  }

  /** Notes that a VM waits for its turn on one of its ways: of several the one that is free first. */
  wait(vm: string, pair: Pair, nowMs: number): void {
    const freeAtMs = this.freeAtMs(pair, nowMs);
    const known = this.waiting.get(vm);
    if (known === undefined || freeAtMs < known.freeAtMs) this.waiting.set(vm, { pair, freeAtMs });
  }

  /** The ids of the paths between two sites; undefined: one of them has sent no heartbeat. */
  pathIds(from: string, to: string): readonly string[] | undefined {
    const [source, destination] = [this.#sites.named(from), this.#sites.named(to)];
    return this.#forecasts.pairOf({ source, destination })?.paths.map(({ id }) => id);
  }

  /** True if moves leave the one site or reach the other, so that a further one may have to share their uplinks. */
  isBusy({ from, to }: Pair): boolean {
    return from.moves > from.inbound || to.inbound > 0;
  }

  /**
   * When the links between two sites have room for a further move, in ms since the epoch.
   * @returns -Infinity: they have room; Infinity: not before a move ends that is late
   */
  freeAtMs(pair: Pair, nowMs: number): number {
    this.#countProgress(nowMs);
    if (this.#freeAtNowMs !== nowMs) {
      this.#freeAtNowMs = nowMs;
      this.#freeAt.clear();
    }
    // An evaluation asks this for one pair several times.
    let freeAtMs = this.#freeAt.get(pair);
    if (freeAtMs === undefined) {
      freeAtMs = this.#freeAtMs(pair, nowMs);
      this.#freeAt.set(pair, freeAtMs);
    }
    return freeAtMs;
  }

  #freeAtMs({ from, to, paths }: Pair, nowMs: number): number {
    let freeAtMs = Number.NEGATIVE_INFINITY;
    for (const { provider, rateBps } of paths) {
      const room = { provider, rateBps: rateBps * ROOM, nowMs };
      freeAtMs = Math.max(freeAtMs, this.#roomAtMs(from, this.#forecasts.leaving(from), room));
      freeAtMs = Math.max(freeAtMs, this.#roomAtMs(to, this.#forecasts.arriving(to), room));
    }
    return freeAtMs;
  }

  /** True if the others take all that each path of a pair can carry: what a further move gets, they lose. */
  isFull({ from, to, paths }: Pair, nowMs: number): boolean {
    // The host, not the paths, would limit the move.
    if (this.#reach(paths) < 1) return false;
    return paths.every(
      ({ provider }) =>
        this.#spareBps(from, this.#forecasts.leaving(from), provider, nowMs) <= 0 ||
        this.#spareBps(to, this.#forecasts.arriving(to), provider, nowMs) <= 0,
    );
  }

  /** The rate that the moves on one link of a site leave. */
  #spareBps({ uplinks }: Site, moves: ReadonlySet<Tracked>, provider: string, nowMs: number): number {
    let spareBps = rateOf(uplinks, provider);
    for (const { rateBps, paths } of this.#usersOf(moves, provider, nowMs)) spareBps -= rateBps * this.#reach(paths);
    return spareBps;
  }

  /** The moves that hold a link, with the rate that its path has. */
  #usersOf(moves: ReadonlySet<Tracked>, provider: string, nowMs: number): LinkUser[] {
    const users: LinkUser[] = [];
    for (const tracked of moves) {
      const paths = this.#forecasts.pairOf(tracked)?.paths;
      const path = paths?.find((path) => path.provider === provider);
      if (path === undefined || tracked.stoppedAtMs !== Number.POSITIVE_INFINITY) continue;
      const forecast = this.#forecasts.of(tracked)!;
      if (!holdsLinks(forecast, nowMs)) continue;
      const { copyEndMs } = forecast;
      const endMs = nowMs > copyEndMs + LATE_MS ? Number.POSITIVE_INFINITY : copyEndMs;
      users.push({ rateBps: path.rateBps, paths: paths!, endMs });
    }
    return users;
  }

  /** The share of their rates that a move over these paths reaches, from 0 to 1: a host has a highest rate. */
  #reach(paths: Pair['paths']): number {
    const sumBps = paths.reduce((sum, { rateBps }) => sum + rateBps, 0);
    return Math.min(1, this.#model.hostRateBps / sumBps);
  }

  /**
   * When the moves that leave the one site or reach the other will have sent their last bytes, in ms since the epoch; -Infinity: they
   * have.
   */
  allSentMs({ from, to }: Pair, nowMs: number): number {
    this.#countProgress(nowMs);
    return Math.max(this.#lastSentMs(this.#forecasts.leaving(from)), this.#lastSentMs(this.#forecasts.arriving(to)));
  }

  #lastSentMs(moves: ReadonlySet<Tracked>): number {
    let lastMs = Number.NEGATIVE_INFINITY;
    for (const tracked of moves) {
      if (tracked.stoppedAtMs !== Number.POSITIVE_INFINITY) continue;
      lastMs = Math.max(lastMs, this.#forecasts.of(tracked)?.copyEndMs ?? lastMs);
    }
    return lastMs;
  }

  /** Predicts a further move, if it were ordered now, and what it costs the others. */
  predict(pair: Pair, spec: VmSpec, nowMs: number): SharedPrediction {
    this.#countProgress(nowMs);
    const others = this.#forecasts.connected(pair);
    const before = others.map((other) => this.#forecasts.of(other)!);
    const together = this.#forecasts.together([
      ...others.map((other) => ({ pair: this.#forecasts.pairOf(other)!, move: stateOf(other) })),
      { pair, move: { spec, orderedAtMs: nowMs, progress: null } },
    ]);
    let delayUserMs = 0;
    others.forEach(({ move }, i) => {
      const delayMs = together[i]!.durationMs - before[i]!.durationMs;
      if (delayMs <= LEAST_DELAY_MS || !holdsLinks(before[i]!, nowMs)) return;
      delayUserMs += (delayMs / 1000) * move.delayUserMsPerS;
    });
    return { move: together[others.length]!, delayUserMs };
  }

  /** Notes that a move sends nothing more. */
  #stop(tracked: Tracked, atMs: number): void {
    if (tracked.stoppedAtMs <= atMs) return;
    tracked.stoppedAtMs = atMs;
    this.#freeAt.clear();
    for (const other of this.#forecasts.beside(tracked)) {
      if (other === tracked || !this.#shares(tracked, other)) continue;
      this.#share(tracked);
      this.#share(other);
    }
    // The others go on without it.
    forget(tracked);
    for (const other of this.#forecasts.beside(tracked)) forget(other);
    this.#free(tracked, atMs);
  }

  /** Tells the VMs that expected the links of a move to be in use for longer. They wait until they are evaluated, each in its own millisecond. */
  #free({ source, destination }: Tracked, atMs: number): void {
    if (this.waiting.isEmpty) return;
    const freed: string[] = [];
    const nowFreeAtMs = new Map<Pair, number>();
    for (const vm of this.waiting.beside(source, destination)) {
      const { pair, freeAtMs } = this.waiting.get(vm)!;
      const known = nowFreeAtMs.get(pair) ?? this.freeAtMs(pair, atMs);
      nowFreeAtMs.set(pair, known);
      if (known >= freeAtMs - LATE_MS) continue;
      freed.push(vm);
      this.waiting.set(vm, { pair, freeAtMs: Number.NEGATIVE_INFINITY });
    }
    if (freed.length > 0) this.#listener.freed(freed, atMs);
  }

  /** From now on the progress of earlier instants counts. */
  #countProgress(nowMs: number): void {
    for (const tracked of this.#progressed) {
      if (tracked.latest!.atMs >= nowMs) continue;
      tracked.progress = tracked.latest;
      tracked.latest = null;
      forget(tracked);
      this.#freeAt.clear();
      this.#progressed.delete(tracked);
    }
  }

  /** True if two moves have sent over one uplink for a while. Known to the end once one of them has stopped. */
  #shares(a: Tracked, b: Tracked): boolean {
    const [pairA, pairB] = [this.#forecasts.pairOf(a), this.#forecasts.pairOf(b)];
    if (pairA === undefined || pairB === undefined) return false;
    const fromMs = Math.max(a.move.orderedAtMs + this.#leadMs(pairA), b.move.orderedAtMs + this.#leadMs(pairB));
    if (Math.min(a.stoppedAtMs, b.stoppedAtMs) - fromMs <= SHARES_MS) return false;
    return pairA.paths.some(({ provider }) => pairB.paths.some((path) => path.provider === provider));
  }

  #share(tracked: Tracked): void {
    if (tracked.shared) return;
    tracked.shared = true;
    this.#listener.shared(tracked.move.decision);
  }

  #leadMs({ paths, rttMs }: Pair): number {
    return leadMs(this.#model, paths.length, rttMs);
  }

  /** When the moves on one link of a site leave room for `rateBps`; see `freeAtMs`. */
  #roomAtMs(
    { uplinks }: Site,
    moves: ReadonlySet<Tracked>,
    { provider, rateBps, nowMs }: { readonly provider: string; readonly rateBps: number; readonly nowMs: number },
  ): number {
    const users = this.#usersOf(moves, provider, nowMs);
    let freeBps = rateOf(uplinks, provider);
    for (const user of users) freeBps -= user.rateBps;
    if (freeBps >= rateBps) return Number.NEGATIVE_INFINITY;
    users.sort((a, b) => a.endMs - b.endMs);
    for (const user of users) {
      freeBps += user.rateBps;
      if (freeBps >= rateBps) return user.endMs;
    }
    return Number.NEGATIVE_INFINITY;
  }
}

/** The rate of a site's uplink to a provider; 0: it has none. */
function rateOf(uplinks: Site['uplinks'], provider: string): number {
  return uplinks.find((uplink) => uplink.provider === provider)?.rateBps ?? 0;
}

/** True if other moves wait for this one, or pay for its delay. */
function holdsLinks({ copyEndMs }: SharedForecast, nowMs: number): boolean {
  return nowMs <= copyEndMs + LOST_MS && copyEndMs <= nowMs + LONGEST_HOLD_MS;
}
