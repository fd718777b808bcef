/** The state that the page shows: a picture and the changes since. */
import type { Changes, DecisionView, Line, MoveView, Picture, SiteView, UserName } from '../wire.ts';
import { PER_DEGREE } from '../wire.ts';
import { mercator } from './mercator.ts';

/** A user on the map. `x` and `y` are on the unit square of the Mercator projection. */
export interface UserDot {
  name: string;
  vms: readonly string[];
  lat: number;
  lon: number;
  x: number;
  y: number;
  /** The previous place of the dot, and when it began to glide to `x` and `y`, on the clock of the page. */
  fromX: number;
  fromY: number;
  movedMs: number;
}

/** A site with its place on the unit square. */
export interface Place extends SiteView {
  readonly x: number;
  readonly y: number;
}

/** How long a move is drawn after its end. Without this, a move in a fast scenario would hardly be visible. */
const SEEN_MS = 1_500;

/** The sites, VMs, users, moves and decisions that the page shows. */
export class World {
  atMs = 0;
  fromMs = 0;
  paused = false;
  /** False if this viewer may not see users. */
  hasUsers = false;
  readonly sites = new Map<string, Place>();
  readonly homes = new Map<string, string>();
  readonly moves = new Map<string, MoveView>();
  readonly users = new Map<number, UserDot>();
  decisions: DecisionView[] = [];
  /** Counts the changes of sites and homes, so that layouts are computed again only after a change. */
  settled = 0;
  /** When the page received the end of a move, on the clock of the page. */
  readonly #endedMs = new Map<string, number>();
  readonly #vmsAt = new Map<string, Set<string>>();

  /** Applies a line of the server. @param nowMs the clock of the page, from which dots glide */
  apply(line: Line, nowMs: number): void {
    this.atMs = line.atMs;
    this.fromMs = line.fromMs;
    if (line.kind === 'picture') this.#begin(line);
    for (const site of line.sites ?? []) this.sites.set(site.site, { ...site, ...mercator(site.lat, site.lon) });
    for (const site of (line as Changes).sitesGone ?? []) this.sites.delete(site);
    if (line.sites !== undefined || (line as Changes).sitesGone !== undefined) this.settled++;
    for (const [vm, site] of line.homes ?? []) this.#settle(vm, site);
    for (const vm of (line as Changes).gone ?? []) this.#settle(vm, undefined);
    for (const move of line.moves ?? []) {
      if (line.kind === 'changes' && move.endedAtMs !== null) this.#endedMs.set(move.migration, nowMs);
      this.moves.set(move.migration, move);
    }
    if (line.decisions) this.decisions = [...this.decisions, ...line.decisions];
    for (const user of line.users ?? []) this.#name(user);
    this.#place(line.positions ?? [], nowMs);
    for (const number of (line as Changes).left ?? []) this.users.delete(number);
    if (line.paused !== undefined) this.paused = line.paused;
    this.#forget();
  }

  /** The VMs whose home is this site. */
  vmsAt(site: string): ReadonlySet<string> {
    return this.#vmsAt.get(site) ?? new Set();
  }

  usersOf(vm: string): UserDot[] {
    return [...this.users.values()].filter(({ vms, movedMs }) => movedMs >= 0 && vms.includes(vm));
  }

  movesUnderWay(): MoveView[] {
    return [...this.moves.values()].filter(({ endedAtMs }) => endedAtMs === null);
  }

  /** The moves to draw: those under way, and those that ended within the last 1.5 s. */
  movesSeen(nowMs: number): MoveView[] {
    for (const [migration, endedMs] of this.#endedMs) {
      if (endedMs < nowMs - SEEN_MS) this.#endedMs.delete(migration);
    }
    const ended = [...this.#endedMs.keys()].flatMap((migration) => this.moves.get(migration) ?? []);
    return [...ended, ...this.movesUnderWay()];
  }

  /** The move of a VM that is under way; undefined if there is none. */
  moveOf(vm: string): MoveView | undefined {
    return this.movesUnderWay().find((move) => move.vm === vm);
  }

  #begin({ users }: Picture): void {
    for (const map of [this.sites, this.homes, this.moves, this.users, this.#vmsAt]) map.clear();
    this.decisions = [];
    this.hasUsers = users !== undefined;
    this.settled++;
  }

  #settle(vm: string, site: string | undefined): void {
    const before = this.homes.get(vm);
    if (before !== undefined) this.#vmsAt.get(before)?.delete(vm);
    if (site === undefined) this.homes.delete(vm);
    else {
      this.homes.set(vm, site);
      const there = this.#vmsAt.get(site) ?? new Set();
      this.#vmsAt.set(site, there.add(vm));
    }
    this.settled++;
  }

  #name([number, name, ...vms]: UserName): void {
    const dot = this.users.get(number);
    if (dot) Object.assign(dot, { name, vms });
    else {
      const nowhere = { lat: 0, lon: 0, x: 0, y: 0, fromX: 0, fromY: 0, movedMs: -1 };
      this.users.set(number, { name, vms, ...nowhere });
    }
  }

  #place(positions: readonly number[], nowMs: number): void {
    for (let i = 0; i + 2 < positions.length; i += 3) {
      const dot = this.users.get(positions[i]!);
      if (dot === undefined) continue;
      dot.lat = positions[i + 1]! / PER_DEGREE;
      dot.lon = positions[i + 2]! / PER_DEGREE;
      const { x, y } = mercator(dot.lat, dot.lon);
      // The dot of a new user appears at its place, without gliding.
      const isNew = dot.movedMs < 0;
      dot.fromX = isNew ? x : dot.x;
      dot.fromY = isNew ? y : dot.y;
      dot.x = x;
      dot.y = y;
      dot.movedMs = nowMs;
    }
  }

  /** Drops decisions and moves that are older than the last hour. */
  #forget(): void {
    while (this.decisions.length > 0 && this.decisions[0]!.atMs < this.fromMs) this.decisions.shift();
    for (const [migration, { endedAtMs }] of this.moves) {
      if (endedAtMs !== null && endedAtMs < this.fromMs) this.moves.delete(migration);
    }
  }
}
