import type { Cancel, Clock } from '../../clock/clock.ts';
import { aggregateBps, type MoveModel } from '../../model/move-model.ts';
import { maxMinShares } from '../../model/sharing.ts';
import { Deadlines } from '../../time/deadlines.ts';

/**
 * The network between the sites as a fluid: each transfer has a rate, which changes only when a transfer that it shares
 * a link with begins or ends, or when a link's rate changes. What was sent is rate × time, so nothing is ticked.
 */
export interface FluidNetwork {
  /** Sets what a link carries, in bytes a second; 0: nothing gets through, transfers wait. */
  setLink(link: string, rateBps: number): void;
  /** The links that paths lead over, looked up once for all moves that take them. */
  way(paths: readonly { readonly id: string; readonly links: readonly string[] }[]): Way;
  /** Subflows for one move, one for each path of a way; costs nothing until something is sent. */
  route(way: Way): Route;
  /**
   * Sends `bytes` (more than 0) over all subflows of a route and then calls `sent`, never inside this call.
   * @param slowdown divides the route's share of every path
   * @returns takes the transfer back; what was sent until then stays counted
   */
  send(route: Route, bytes: number, slowdown: number, sent: () => void): Cancel;
  /** Brings the routes' `sentBytes` up to now. */
  settle(): void;
  /** How far a route is at this moment. Nothing is settled by it: who looks on does not change how totals are added up. */
  look(route: Route): Sending;
}

/** How far a route is. */
export interface Sending {
  readonly bytes: number;
  readonly bytesByPath: Readonly<Record<string, number>>;
  /** Of the transfer under way; 0 where there is none. */
  readonly remainingBytes: number;
  readonly rateBps: number;
}

/** Paths with their links, in order. */
export type Way = readonly { readonly id: string; readonly links: readonly Link[] }[];

/** The subflows of one move, with their running totals. */
export interface Route {
  readonly subflows: readonly Subflow[];
  /** The fewest subflows that carried anything at once, so far; all of them at the start. */
  fewestSubflows: number;
}

interface Subflow {
  readonly path: string;
  readonly links: readonly Link[];
  sentBytes: number;
  shareBps: number;
  /** What is being sent; undefined where the subflow is idle. */
  transfer: Transfer | undefined;
  /** The last computation of the rates that reached it. */
  computed: number;
}

interface Link {
  rateBps: number;
  /** The subflows with something to send. */
  readonly crossing: Set<Subflow>;
  /** As for a subflow; with its place in that computation. */
  computed: number;
  index: number;
}

interface Transfer {
  readonly route: Route;
  readonly slowdown: number;
  remainingBytes: number;
  rateBps: number;
  /** Up to when `remainingBytes` is settled. */
  settledMs: number;
  endMs: number;
  /** Counts the transfers in the order in which they began. */
  readonly order: number;
  /** Undefined once the transfer was taken back. */
  sent: (() => void) | undefined;
}

const NONE: readonly Transfer[] = [];

/** @param model what a migration makes of the path rates it gets (efficiency, the hosts' ceiling) */
export function fluidNetwork(clock: Clock, model: MoveModel): FluidNetwork {
  const links = new Map<string, Link>();
  const active = new Set<Transfer>();
  /** Links whose flows or rate changed since the rates were last computed. */
  const changed = new Set<Link>();
  /** When transfers end. An entry that no longer agrees with the transfer's own `endMs` is dropped when it comes up. */
  const ends = new Deadlines<Transfer>();
  let begun = 0;
  let computation = 0;
  let wakeMs = Number.POSITIVE_INFINITY;
  let cancelWake: Cancel | undefined;

  const linkOf = (id: string): Link => {
    const known = links.get(id);
    if (known) return known;
    const link: Link = { rateBps: 0, crossing: new Set(), computed: 0, index: 0 };
    links.set(id, link);
    return link;
  };
  const wakeAt = (timeMs: number) => {
    if (timeMs === wakeMs) return;
    cancelWake?.();
    wakeMs = timeMs;
    cancelWake = timeMs === Number.POSITIVE_INFINITY ? undefined : clock.at(timeMs, wake);
  };
  // All that begins and ends in one instant costs one computation of the rates.
  const wakeNow = () => wakeAt(Math.min(wakeMs, clock.now()));

  const attach = (transfer: Transfer) => {
    active.add(transfer);
    for (const subflow of transfer.route.subflows) {
      subflow.transfer = transfer;
      for (const link of subflow.links) {
        link.crossing.add(subflow);
        changed.add(link);
      }
    }
  };
  const detach = (transfer: Transfer) => {
    active.delete(transfer);
    transfer.endMs = Number.POSITIVE_INFINITY;
    for (const subflow of transfer.route.subflows) {
      subflow.shareBps = 0;
      subflow.transfer = undefined;
      for (const link of subflow.links) {
        link.crossing.delete(subflow);
        changed.add(link);
      }
    }
  };
  const nextEndMs = () => {
    for (;;) {
      const endMs = ends.nextMs;
      if (endMs === undefined) return Number.POSITIVE_INFINITY;
      if (ends.next!.endMs === endMs) return endMs;
      ends.pop();
    }
  };
  /** The transfers that have ended, in the order in which they began. */
  const takeEnded = (nowMs: number) => {
    const ended: Transfer[] = [];
    while (nextEndMs() <= nowMs) {
      const transfer = ends.pop()!;
      // Not rate × time: rounding would leave a few bytes over.
      count(transfer, transfer.remainingBytes);
      detach(transfer);
      ended.push(transfer);
    }
    return ended.length > 1 ? ended.sort((a, b) => a.order - b.order) : ended;
  };
  const wake = () => {
    const nowMs = clock.now();
    wakeMs = Number.POSITIVE_INFINITY;
    const ended = takeEnded(nowMs);
    for (const transfer of shareLinks(changed, ++computation, nowMs)) {
      setRate(transfer, model, nowMs);
      if (transfer.rateBps > 0) ends.push(transfer.endMs, transfer);
    }
    changed.clear();
    wakeAt(nextEndMs());
    // Whoever is told of an earlier end may have taken a later one back.
    for (const transfer of ended) transfer.sent?.();
  };

  return {
    setLink(id, rateBps) {
      const link = linkOf(id);
      if (link.rateBps === rateBps) return;
      link.rateBps = rateBps;
      changed.add(link);
      wakeNow();
    },
    way: (paths) => paths.map(({ id, links }) => ({ id, links: links.map(linkOf) })),
    route: (way) => ({
      subflows: way.map(({ id, links }) => ({
        path: id,
        links,
        sentBytes: 0,
        shareBps: 0,
        transfer: undefined,
        computed: 0,
      })),
      fewestSubflows: way.length,
    }),
    send(route, bytes, slowdown, sent) {
      const transfer: Transfer = {
        route,
        slowdown,
        remainingBytes: bytes,
        rateBps: 0,
        settledMs: clock.now(),
        endMs: Number.POSITIVE_INFINITY,
        order: begun++,
        sent,
      };
      attach(transfer);
      wakeNow();
      return () => {
        transfer.sent = undefined;
        if (!active.has(transfer)) return;
        settle(transfer, clock.now());
        detach(transfer);
        wakeNow();
      };
    },
    settle() {
      const nowMs = clock.now();
      for (const transfer of active) settle(transfer, nowMs);
    },
    look: (route) => sendingOf(route, clock.now()),
  };
}

function sendingOf({ subflows }: Route, nowMs: number): Sending {
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
 * Computes the shares anew where a changed link can have an influence: of all flows that share a link, and theirs.
 * @returns the transfers whose shares are others now
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
  // The list grows on the way, until everything that is connected is in it.
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
  // Most moves have their links to themselves.
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

/** Counts what was sent since the last time, at the rate of that time. */
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
