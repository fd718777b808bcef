/**
 * The state of the dashboard: the present picture, its changes, and the pictures of the last hour. It does no I/O. Its memory is bounded:
 * 40 MB of positions, 20 MB of moves, 20 MB of decisions with their explanations, and some hundred bytes for each VM and user.
 */
import type { Config } from '#shared/config/schema.ts';
import { type Data, type Event, type EventType, type Explanation, MIGRATION_TYPES } from '#shared/events/index.ts';
import { notAhead } from '#shared/events/not-ahead.ts';
import { type EndFact, endOf } from '#shared/migration/outcome.ts';
import type { Explained } from '#shared/policy/decide/words.ts';
import { Homes } from './homes.ts';
import { Moves } from './moves.ts';
import { Users } from './users.ts';
import type { Changes, DecisionView, Picture, SiteView } from './wire.ts';

/** How far back a viewer can replay. */
export const HOUR_MS = 3_600_000;
/** The most stored decisions. An explanation has up to 4 kB. */
const MOST_DECISIONS = 5_000;
const SWEEP_MS = 30_000;

/** The events that the dashboard subscribes to. */
export const SHOWN: readonly EventType[] = [
  'location.reported.v1',
  'session.detached.v1',
  'user.erased.v1',
  'vm.declared.v1',
  'vm.retired.v1',
  'site.reported.v1',
  'site.removed.v1',
  'placement.decided.v1',
  ...MIGRATION_TYPES,
];

interface Site {
  readonly data: Data<'site.reported.v1'>;
  /** The changes of `draining`, in the order of time. */
  readonly drains: { readonly atMs: number; readonly draining: boolean }[];
}

interface Decided {
  readonly view: DecisionView;
  readonly explanation: Explanation;
}

/** The state of the dashboard. */
export class Record {
  readonly #sites = new Map<string, Site>();
  readonly #homes = new Homes();
  readonly #moves = new Moves();
  readonly #users: Users;
  readonly #decisions = new Map<string, Decided>();
  #newDecisions: DecisionView[] = [];
  readonly #changedSites = new Set<string>();
  /** When sites were removed. A heartbeat from before that time does not add the site again. */
  readonly #removedMs = new Map<string, number>();
  readonly #goneSites = new Set<string>();
  readonly #beganMs: number;
  #sweptMs: number;
  #paused = false;
  #pausedChanged = false;

  constructor({ ingest, policy }: Pick<Config, 'ingest' | 'policy'>, nowMs: number) {
    this.#users = new Users(ingest.plausibility, policy.sessionTimeoutMs);
    this.#beganMs = nowMs;
    this.#sweptMs = nowMs;
  }

  /**
   * Applies an event of {@link SHOWN}. Late and repeated events change nothing. Times ahead of `nowMs` count as `nowMs`: otherwise one
   * wrong clock would freeze a site or a VM.
   */
  apply(received: Event, nowMs: number): void {
    this.#sweep(nowMs);
    // Users judge the times of positions themselves.
    const event = received.type === 'location.reported.v1' ? received : notAhead(received, nowMs);
    switch (event.type) {
      case 'location.reported.v1':
        this.#users.locate(event.data, nowMs);
        break;
      case 'session.detached.v1':
        this.#users.detach(event.data.user, event.data.vm);
        break;
      case 'user.erased.v1':
        this.#users.erase(event.data.user);
        break;
      case 'vm.declared.v1':
        // For a known VM the heartbeats of sites are more recent than this event.
        if (this.#homes.of(event.data.vm) === undefined) this.#settle(event.data.vm, event.data.home, event.data.atMs);
        break;
      case 'vm.retired.v1':
        this.#leave(event.data.vm);
        this.#homes.retire(event.data.vm, event.data.atMs);
        this.#users.retire(event.data.vm);
        break;
      case 'site.reported.v1':
        this.#report(event.data);
        break;
      case 'site.removed.v1':
        this.#remove(event.data);
        break;
      case 'placement.decided.v1':
        this.#decide(event.data);
        break;
      case 'migration.switched.v1':
        this.#settle(event.data.vm, event.data.to, event.data.atMs);
        this.#moves.apply(event);
        break;
      case 'migration.completed.v1':
      case 'migration.failed.v1':
        this.#settleAfter(event);
        this.#moves.apply(event);
        break;
      case 'migration.accepted.v1':
      case 'migration.started.v1':
      case 'migration.progressed.v1':
      case 'migration.cancelled.v1':
        this.#moves.apply(event);
        break;
    }
  }

  /** Sets whether automatic moves are paused. There is no event about it. */
  pause(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#pausedChanged = true;
  }

  /** The present picture. */
  picture(nowMs: number): Picture {
    return {
      ...this.#frame('picture', nowMs),
      sites: [...this.#sites.keys()].map((site) => this.#siteView(site)),
      homes: this.#homes.all(),
      moves: this.#moves.all(),
      decisions: [...this.#decisions.values()].map(({ view }) => view),
      ...this.#users.all(),
      paused: this.#paused,
    };
  }

  /** The changes since the last call. */
  changes(nowMs: number): Changes {
    const sites = [...this.#changedSites].map((site) => this.#siteView(site));
    const decisions = this.#newDecisions;
    const paused = this.#pausedChanged ? { paused: this.#paused } : {};
    const sitesGone = [...this.#goneSites];
    this.#changedSites.clear();
    this.#goneSites.clear();
    this.#newDecisions = [];
    this.#pausedChanged = false;
    const lists = {
      sites,
      sitesGone,
      ...this.#homes.changes(),
      moves: this.#moves.changes(),
      decisions,
      ...this.#users.changes(),
    };
    const filled = Object.entries(lists).filter(([, list]) => list.length > 0);
    return { ...this.#frame('changes', nowMs), ...Object.fromEntries(filled), ...paused };
  }

  /** A past picture. @param atMs within the last hour; otherwise the nearest instant within it counts */
  past(atMs: number, nowMs: number): Picture {
    const frame = this.#frame('picture', nowMs);
    const thenMs = Math.min(nowMs, Math.max(frame.fromMs, atMs));
    const homes = this.#homes.past(thenMs);
    const sizes = new Map<string, number>();
    for (const [, site] of homes) sizes.set(site, (sizes.get(site) ?? 0) + 1);
    return {
      ...frame,
      atMs: thenMs,
      sites: [...this.#sites].map(([site, { drains }]) => ({
        ...this.#siteView(site),
        vms: sizes.get(site) ?? 0,
        draining: (drains.findLast((drain) => drain.atMs <= thenMs) ?? drains[0])!.draining,
      })),
      homes,
      moves: this.#moves.past(thenMs),
      decisions: [...this.#decisions.values()].flatMap(({ view }) => (view.atMs <= thenMs ? view : [])),
      ...this.#users.past(thenMs),
      paused: this.#paused,
    };
  }

  /** The explanation of a decision; undefined if the decision is unknown or older than the last hour. */
  explanation(decision: string): Explained | undefined {
    const decided = this.#decisions.get(decision);
    return decided && { vm: decided.view.vm, home: decided.view.from, ...decided.explanation };
  }

  #frame<K extends 'picture' | 'changes'>(kind: K, nowMs: number) {
    return { kind, atMs: nowMs, fromMs: Math.max(this.#beganMs, nowMs - HOUR_MS) };
  }

  #siteView(name: string): SiteView {
    const { site, lat, lon, slots, draining } = this.#sites.get(name)!.data;
    return { site, lat, lon, slots, draining, vms: this.#homes.at(site) };
  }

  #report(data: Data<'site.reported.v1'>): void {
    const known = this.#sites.get(data.site);
    const sinceMs = Math.max(known?.data.atMs ?? -1, this.#removedMs.get(data.site) ?? -1);
    if (data.atMs <= sinceMs) return;
    this.#goneSites.delete(data.site);
    const drains = known?.drains ?? [];
    if (drains.at(-1)?.draining !== data.draining) drains.push({ atMs: data.atMs, draining: data.draining });
    this.#sites.set(data.site, { data, drains });
    const same = known?.data;
    if (same?.draining !== data.draining || same.slots !== data.slots) this.#changedSites.add(data.site);
    for (const vm of data.vms) this.#settle(vm, data.site, data.atMs);
  }

  #remove({ site, atMs }: Data<'site.removed.v1'>): void {
    const known = this.#sites.get(site);
    if (known !== undefined && known.data.atMs > atMs) return;
    this.#removedMs.set(site, atMs);
    this.#changedSites.delete(site);
    if (this.#sites.delete(site)) this.#goneSites.add(site);
  }

  /** A move that failed because its VM was in another move may name a third site: there that other move settles the VM. */
  #settleAfter(event: EndFact): void {
    const { vm, from, to, atMs } = event.data;
    const { runsAt } = endOf(event);
    if (runsAt === from || runsAt === to) this.#settle(vm, runsAt, atMs);
  }

  #settle(vm: string, site: string, atMs: number): void {
    if (this.#homes.of(vm) === site) return;
    this.#leave(vm);
    this.#homes.settle(vm, site, atMs);
    if (this.#sites.has(site)) this.#changedSites.add(site);
  }

  #leave(vm: string): void {
    const home = this.#homes.of(vm);
    if (home !== undefined && this.#sites.has(home)) this.#changedSites.add(home);
  }

  #decide({
    decision,
    vm,
    atMs,
    verdict,
    from,
    to,
    reason,
    source,
    orderedBy,
    explanation,
  }: Data<'placement.decided.v1'>): void {
    if (this.#decisions.has(decision)) return;
    const ordered = orderedBy === undefined ? {} : { orderedBy };
    const view = { decision, vm, atMs, verdict, from, to, reason, source, ...ordered };
    this.#decisions.set(decision, { view, explanation });
    this.#newDecisions.push(view);
    const [oldest] = this.#decisions.keys();
    if (this.#decisions.size > MOST_DECISIONS) this.#decisions.delete(oldest!);
  }

  #sweep(nowMs: number): void {
    if (nowMs < this.#sweptMs + SWEEP_MS) return;
    this.#sweptMs = nowMs;
    this.#users.sweep(nowMs);
    const beforeMs = nowMs - HOUR_MS;
    this.#moves.forget(beforeMs);
    this.#homes.forget(beforeMs);
    for (const [id, { view }] of this.#decisions) if (view.atMs < beforeMs) this.#decisions.delete(id);
    for (const { drains } of this.#sites.values()) {
      while (drains.length > 1 && drains[1]!.atMs <= beforeMs) drains.shift();
    }
  }
}
