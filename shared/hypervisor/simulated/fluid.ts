import type { Cancel, Clock } from '../../clock/clock.ts';
import { aggregateBps, type MoveModel } from '../../model/move-model.ts';
import { maxMinShares } from '../../model/sharing.ts';
import { Deadlines } from '../../time/deadlines.ts';

/** The progress of a route: the bytes sent in total, and the transfer under way. */
export interface TransferProgress {
  readonly bytes: number;
  readonly bytesByPath: Readonly<Record<string, number>>;
  /** Of the transfer under way; 0 if there is none. */
  readonly remainingBytes: number;
  readonly rateBps: number;
}

/** The paths between two sites with their links, in order. */
export type ResolvedPaths = readonly { readonly id: string; readonly links: readonly Link[] }[];

/** The subflows of one move, with their running totals. */
export interface Route {
  readonly subflows: readonly Subflow[];
  /** The smallest number of subflows that carried data at the same time; initially all of them. */
  fewestSubflows: number;
}

interface Subflow {
  readonly path: string;
  readonly links: readonly Link[];
  sentBytes: number;
  shareBps: number;
  /** The transfer under way; undefined if the subflow is idle. */
  transfer: Transfer | undefined;
  /** Number of the last computation of the rates that included this subflow. */
  computed: number;
}

interface Link {
  rateBps: number;
  /** The subflows on this link that have a transfer. */
  readonly crossing: Set<Subflow>;
  /** Number of the last computation of the rates that included this link, and the link's index in it. */
  computed: number;
  index: number;
}

interface Transfer {
  readonly route: Route;
  readonly slowdown: number;
  remainingBytes: number;
  rateBps: number;
  /** The time up to which `remainingBytes` is computed. */
  settledMs: number;
  endMs: number;
  /** Sequence number, in the order in which transfers began. */
  readonly order: number;
  /** Undefined once the transfer was cancelled. */
  sent: (() => void) | undefined;
}

const NONE: readonly Transfer[] = [];

/**
 * A fluid model of the network between the sites. Each transfer has a rate. The rate changes only when a transfer on the same link
 * begins or ends, or when the rate of a link changes. Between two changes the bytes sent are rate × time, so there are no ticks.
 */
export class FluidNetwork {
  readonly #clock: Clock;
  readonly #model: MoveModel;
  readonly #links = new Map<string, Link>();
  readonly #active = new Set<Transfer>();
  /** Links whose transfers or rate changed since the last computation of the rates. */
  readonly #changed = new Set<Link>();
  /** The ends of transfers. An entry is outdated, and dropped at its time, if it differs from the transfer's `endMs`. */
  readonly #ends = new Deadlines<Transfer>();
  #begun = 0;
  #computation = 0;
  #wakeMs = Number.POSITIVE_INFINITY;
  #cancelWake: Cancel | undefined;

  /** An idle network without links. @param model computes the rate of a migration from the rates of its paths */
  constructor(clock: Clock, model: MoveModel) {
    this.#clock = clock;
    this.#model = model;
  }

  /** Sets the rate of a link, in bytes a second. At 0 its transfers wait. */
  setLink(id: string, rateBps: number): void {
    const link = this.#linkOf(id);
    if (link.rateBps === rateBps) return;
    link.rateBps = rateBps;
    this.#changed.add(link);
    this.#wakeNow();
  }

  /** Finds the links of paths by their names. All moves between the same two sites share the result. */
  resolve(paths: readonly { readonly id: string; readonly links: readonly string[] }[]): ResolvedPaths {
    return paths.map(({ id, links }) => ({ id, links: links.map((link) => this.#linkOf(link)) }));
  }

  /** The subflows of one move, one for each path. They use no link until `send`. */
  route(paths: ResolvedPaths): Route {
    return {
      subflows: paths.map(({ id, links }) => ({
        path: id,
        links,
        sentBytes: 0,
        shareBps: 0,
        transfer: undefined,
        computed: 0,
      })),
      fewestSubflows: paths.length,
    };
  }

  /**
   * Sends `bytes` (more than 0) over all subflows of a route, and calls `sent` at the end, after this call has returned.
   * @param slowdown divides the route's share of every path
   * @returns cancels the transfer; the bytes sent until then stay counted
   */
  send(route: Route, bytes: number, slowdown: number, sent: () => void): Cancel {
    const transfer: Transfer = {
      route,
      slowdown,
      remainingBytes: bytes,
      rateBps: 0,
      settledMs: this.#clock.now(),
      endMs: Number.POSITIVE_INFINITY,
      order: this.#begun++,
      sent,
    };
    this.#attach(transfer);
    this.#wakeNow();
    return () => {
      transfer.sent = undefined;
      if (!this.#active.has(transfer)) return;
      settle(transfer, this.#clock.now());
      this.#detach(transfer);
      this.#wakeNow();
    };
  }

  /** Adds the bytes sent until now to `sentBytes` of all routes. */
  settle(): void {
    const nowMs = this.#clock.now();
    for (const transfer of this.#active) settle(transfer, nowMs);
  }

  /** The progress of a route. Settles nothing, so that observers do not change how rounding adds up in the totals. */
  progressOf(route: Route): TransferProgress {
    return progressAt(route, this.#clock.now());
  }

  #linkOf(id: string): Link {
    const known = this.#links.get(id);
    if (known) return known;
    const link: Link = { rateBps: 0, crossing: new Set(), computed: 0, index: 0 };
    this.#links.set(id, link);
    return link;
  }

  #attach(transfer: Transfer): void {
    this.#active.add(transfer);
    for (const subflow of transfer.route.subflows) {
      subflow.transfer = transfer;
      for (const link of subflow.links) {
        link.crossing.add(subflow);
        this.#changed.add(link);
      }
    }
  }

  #detach(transfer: Transfer): void {
    this.#active.delete(transfer);
    transfer.endMs = Number.POSITIVE_INFINITY;
    for (const subflow of transfer.route.subflows) {
      subflow.shareBps = 0;
      subflow.transfer = undefined;
      for (const link of subflow.links) {
        link.crossing.delete(subflow);
        this.#changed.add(link);
      }
    }
  }

  #wakeAt(timeMs: number): void {
    if (timeMs === this.#wakeMs) return;
    this.#cancelWake?.();
    this.#wakeMs = timeMs;
    this.#cancelWake =
      timeMs === Number.POSITIVE_INFINITY ? undefined : this.#clock.at(timeMs, () => this.#shareAndEnd());
  }

  /** One computation of the rates covers all transfers that begin or end in the same instant. */
  #wakeNow(): void {
    this.#wakeAt(Math.min(this.#wakeMs, this.#clock.now()));
  }

  /** Ends the transfers whose time has come, and computes the rates anew. */
  #shareAndEnd(): void {
    const nowMs = this.#clock.now();
    this.#wakeMs = Number.POSITIVE_INFINITY;
    const ended = this.#takeEnded(nowMs);
    for (const transfer of shareLinks(this.#changed, ++this.#computation, nowMs)) {
      setRate(transfer, this.#model, nowMs);
      if (transfer.rateBps > 0) this.#ends.push(transfer.endMs, transfer);
    }
    this.#changed.clear();
    this.#wakeAt(this.#nextEndMs());
    // The callback of an earlier end may have cancelled a later transfer.
    for (const transfer of ended) transfer.sent?.();
  }

  #nextEndMs(): number {
    for (;;) {
      const endMs = this.#ends.nextMs;
      if (endMs === undefined) return Number.POSITIVE_INFINITY;
      if (this.#ends.next!.endMs === endMs) return endMs;
      this.#ends.pop();
    }
  }

  /** The transfers that have ended, in the order in which they began. */
  #takeEnded(nowMs: number): Transfer[] {
    const ended: Transfer[] = [];
    while (this.#nextEndMs() <= nowMs) {
      const transfer = this.#ends.pop()!;
      // rate × time would leave a few bytes, because of rounding.
      count(transfer, transfer.remainingBytes);
      this.#detach(transfer);
      ended.push(transfer);
    }
    return ended.length > 1 ? ended.sort((a, b) => a.order - b.order) : ended;
  }
}

function progressAt({ subflows }: Route, nowMs: number): TransferProgress {
  const transfer = subflows.find((subflow) => subflow.transfer !== undefined)?.transfer;
  const unsettled = transfer === undefined ? 0 : unsettledOf(transfer, nowMs);
  const totalBps = subflows.reduce((sum, { shareBps }) => sum + shareBps, 0);
  const bytesByPath: Record<string, number> = {};
  let bytes = 0;
  for (const { path, sentBytes, shareBps } of subflows) {
    const sent = sentBytes + (totalBps > 0 ? (unsettled * shareBps) / totalBps : 0);
    bytesByPath[path] = sent;
    bytes += sent;
  }
  const { remainingBytes = 0, rateBps = 0 } = transfer ?? {};
  return { bytes, bytesByPath, remainingBytes: remainingBytes - unsettled, rateBps };
}

/**
 * Computes the shares of all subflows that are connected to a changed link, directly or through other links.
 * @returns the transfers whose shares have changed
 */
function shareLinks(changed: ReadonlySet<Link>, computation: number, nowMs: number): Iterable<Transfer> {
  const links: Link[] = [];
  const subflows: Subflow[] = [];
  const reach = (link: Link) => {
    if (link.computed === computation) return;
    link.computed = computation;
    link.index = links.length;
    links.push(link);
  };
  for (const link of changed) reach(link);
  // The list grows in the loop until it has all connected links.
  for (let i = 0; i < links.length; i++) {
    for (const subflow of links[i]!.crossing) {
      if (subflow.computed === computation) continue;
      subflow.computed = computation;
      subflows.push(subflow);
      for (const link of subflow.links) reach(link);
    }
  }
  if (subflows.length === 0) return NONE;
  const shares = sharesOf(links, subflows);
  const touched = new Set<Transfer>();
  subflows.forEach((subflow, i) => {
    if (subflow.shareBps === shares[i]) return;
    const transfer = subflow.transfer!;
    settle(transfer, nowMs);
    subflow.shareBps = shares[i]!;
    touched.add(transfer);
  });
  return touched;
}

function sharesOf(links: readonly Link[], subflows: readonly Subflow[]): number[] {
  // The usual case: no link is shared, so each subflow gets its slowest link.
  if (links.every(({ crossing }) => crossing.size <= 1)) return subflows.map(slowestBps);
  return maxMinShares(
    links.map(({ rateBps }) => rateBps),
    subflows.map((subflow) => subflow.links.map(({ index }) => index)),
  );
}

function slowestBps({ links }: Subflow): number {
  let slowest = Number.POSITIVE_INFINITY;
  for (const { rateBps } of links) slowest = Math.min(slowest, rateBps);
  return slowest;
}

function setRate(transfer: Transfer, model: MoveModel, nowMs: number): void {
  const { route, slowdown } = transfer;
  const live = route.subflows.map(({ shareBps }) => shareBps / slowdown).filter((shareBps) => shareBps > 0);
  if (live.length > 0) route.fewestSubflows = Math.min(route.fewestSubflows, live.length);
  transfer.rateBps = aggregateBps(model, live);
  transfer.endMs =
    transfer.rateBps > 0 ? nowMs + (transfer.remainingBytes / transfer.rateBps) * 1000 : Number.POSITIVE_INFINITY;
}

/** Adds the bytes sent since the last call, at the present rate. */
function settle(transfer: Transfer, nowMs: number): void {
  count(transfer, unsettledOf(transfer, nowMs));
  transfer.settledMs = nowMs;
}

function unsettledOf({ remainingBytes, rateBps, settledMs }: Transfer, nowMs: number): number {
  return Math.min(remainingBytes, (rateBps * (nowMs - settledMs)) / 1000);
}

function count(transfer: Transfer, bytes: number): void {
  if (bytes === 0) return;
  transfer.remainingBytes -= bytes;
  const { subflows } = transfer.route;
  const totalBps = subflows.reduce((sum, { shareBps }) => sum + shareBps, 0);
  for (const subflow of subflows) subflow.sentBytes += (bytes * subflow.shareBps) / totalBps;
}
