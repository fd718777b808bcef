/**
 * One look at a VM: where are its users, how well would each site near them serve, what would moving cost, what follows.
 *
 * A look costs some microseconds, so it is taken only when it can matter. Each look therefore also says how long it
 * holds: a user who moves by d km changes the cost of any site by at most weight × d × ms/km, so as long as all users
 * stay within the *quiet radius* of where they were, the outcome of another look is known without taking it.
 */
import type { PolicyConfig } from '../config/schema.ts';
import type { Candidate, Prediction } from '../events/index.ts';
import { lonScale, unitVector } from '../geo/distance.ts';
import { type MoveModel, type PredictedMove, predictMove } from '../model/move-model.ts';
import { type NetworkModel, userRttMs } from '../model/network.ts';
import { isSilent, type Proposal, type Rules, refusal } from './filters.ts';
import { benefitUserMs, type Circumstances, type Option, type Policy } from './policies.ts';
import type { Pair, Site, SiteTable } from './sites.ts';
import type { Session, Vm } from './vm.ts';

/** A legal site with what going there would take. */
export interface Choice {
  readonly from: string;
  readonly site: string;
  readonly reason: string;
  readonly prediction: Prediction;
  /** The prediction before the pair's correction. */
  readonly raw: Pick<Prediction, 'durationMs' | 'interruptionMs'>;
  /** Ids of the paths it would use. */
  readonly paths: readonly string[];
}

export type Advice =
  | { readonly kind: 'stay'; readonly reason: string }
  | { readonly kind: 'blocked'; readonly reason: string }
  | { readonly kind: 'move'; readonly reason: string; readonly choice: Choice; readonly readyAtMs: number };

export interface Outlook {
  readonly populated: boolean;
  readonly homeLost: 'draining' | 'silent' | null;
  readonly advice: Advice;
  /** Where to flee to; only looked for when the home is lost. */
  readonly refuge: Choice | undefined;
  /** While moving: what the destination serves better than the home, in user-milliseconds a second. */
  readonly targetGain: number;
}

/** Nearest sites looked at for each user; the union over the users is the set of candidates. */
const NEIGHBOURS = 6;
/** Sites looked at to flee to. */
const REFUGES = 32;
/** While a better site is known, look again when the gain may have changed by this share. */
const GAIN_TOLERANCE = 0.2;
/** Round-trip times measured longer ago than this say nothing of now. */
const RTT_HOLDS_MS = 60_000;
/** Weight of the newest stay in what a VM's users are used to. */
const STAY_LEARNING = 0.3;
/** Keeps a radius on the safe side of the flat-earth distance it is compared with. */
const SAFETY = 0.98;

export interface LookSettings {
  readonly network: NetworkModel;
  readonly move: MoveModel;
  readonly policy: PolicyConfig;
}

/** Takes looks. Has scratch space of its own so that a look leaves little garbage. */
export class Lookout {
  readonly #sites: SiteTable;
  readonly #settings: LookSettings;
  readonly #policy: Policy;
  readonly #rules: Rules;
  readonly #found = new Int32Array(REFUGES);
  readonly #km = new Float64Array(REFUGES);
  /** Candidates of the present look and what serving from them costs. */
  #candidates: Site[] = [];
  #serving: number[] = [];
  /** Active sessions, and the site nearest to each. */
  #active: Session[] = [];
  #nearestOf: number[] = [];
  #probes: Float64Array[] = [];
  #targetRttMs = 0;
  #weight = 0;

  constructor(sites: SiteTable, settings: LookSettings, policy: Policy, rules: Rules) {
    this.#sites = sites;
    this.#settings = settings;
    this.#policy = policy;
    this.#rules = rules;
  }

  /** Looks at a VM; sets its quiet radius, its best site, and its sessions' anchors. */
  look(vm: Vm, nowMs: number): Outlook {
    const voronoiKm = this.#gather(vm, nowMs);
    const home = vm.home;
    const homeLost = home.draining
      ? 'draining'
      : isSilent(home, nowMs, this.#settings.policy.siteSilentMs)
        ? 'silent'
        : null;
    const refuge = homeLost ? this.#refuge(vm, nowMs) : undefined;
    if (this.#active.length === 0) {
      vm.quietKm = -1;
      return { populated: false, homeLost, advice: { kind: 'stay', reason: 'nobody-attached' }, refuge, targetGain: 0 };
    }
    const homeServing = this.#serving[0]!;
    this.#noteBest(vm, nowMs);
    const { advice, slackUserMsPerS } = this.#advise(vm, nowMs, homeServing);
    const target = vm.mind.move && this.#sites.get(vm.mind.move.to);
    const targetGain = target ? homeServing - this.#servingFrom(target, nowMs) : 0;
    const slack = vm.mind.move ? Math.max(Math.abs(targetGain) * GAIN_TOLERANCE, 0.01) : slackUserMsPerS;
    vm.quietKm = SAFETY * Math.min(voronoiKm, this.#radiusKm(slack));
    return { populated: true, homeLost, advice, refuge, targetGain };
  }

  /** The same look in words, for people: every candidate with its cost, and where it is better what a move
   * would take and the filter that refuses it. */
  candidates(vm: Vm, nowMs: number): { home: number; sessions: number; oldestFixAgeMs: number; list: Candidate[] } {
    this.#gather(vm, nowMs);
    const list = this.#candidates.map((site, i): Candidate => {
      const servingUserMsPerS = this.#serving[i] ?? 0;
      const gain = this.#serving[0]! - servingUserMsPerS;
      // What it would take to go where it is worse interests nobody.
      if (gain <= 0) return { site: site.id, servingUserMsPerS };
      const { choice, rejected } = this.#propose(vm, site, nowMs, gain, false);
      return { site: site.id, servingUserMsPerS, ...(rejected && { rejected }), prediction: choice.prediction };
    });
    const oldest = this.#active.reduce((ms, { track }) => Math.min(ms, track.atMs), nowMs);
    return {
      home: this.#serving[0] ?? 0,
      sessions: this.#active.length,
      oldestFixAgeMs: nowMs - oldest,
      list: list.sort((a, b) => a.servingUserMsPerS - b.servingUserMsPerS),
    };
  }

  /** An operator's wish, judged by the filters alone. */
  order(vm: Vm, to: Site, nowMs: number): { choice: Choice; rejected: string | undefined } {
    this.#gather(vm, nowMs);
    const gain = this.#active.length === 0 ? 0 : this.#serving[0]! - this.#servingFrom(to, nowMs);
    return this.#propose(vm, to, nowMs, gain, true);
  }

  /**
   * Collects active sessions, candidate sites (home first) and their serving costs; moves the anchors.
   * @returns how far any user may go before another site can become nearest to one of them
   */
  #gather(vm: Vm, nowMs: number): number {
    this.#candidates = [vm.home];
    this.#targetRttMs = vm.spec.targetRttMs;
    this.#active = [];
    this.#nearestOf = [];
    this.#weight = 0;
    const silentBeforeMs = nowMs - this.#settings.policy.sessionTimeoutMs;
    let voronoiKm = Number.POSITIVE_INFINITY;
    for (const session of vm.sessions) {
      const { track } = session;
      session.active = track.atMs >= 0 && track.atMs > silentBeforeMs;
      if (!session.active) continue;
      session.anchorLat = track.lat;
      session.anchorLon = track.lon;
      session.anchorScale = lonScale(track.lat);
      const probe = this.#probe(this.#active.push(session) - 1);
      this.#weight += session.weight;
      unitVector(track, probe);
      const count = this.#sites.index.nearest(probe, track, NEIGHBOURS, this.#found, this.#km);
      this.#nearestOf.push(this.#found[0]!);
      if (count > 1) voronoiKm = Math.min(voronoiKm, (this.#km[1]! - this.#km[0]!) / 2);
      for (let i = 0; i < count; i++) {
        const site = this.#sites.list[this.#found[i]!]!;
        if (!this.#candidates.includes(site)) this.#candidates.push(site);
      }
    }
    this.#serving = this.#candidates.map((site) => this.#servingFrom(site, nowMs));
    return voronoiKm;
  }

  #probe(i: number): Float64Array {
    let probe = this.#probes[i];
    if (probe === undefined) {
      probe = new Float64Array(3);
      this.#probes.push(probe);
    }
    return probe;
  }

  /** Sum over the active sessions of weight × excess round-trip time, in user-milliseconds a second. */
  #servingFrom(site: Site, nowMs: number): number {
    let sum = 0;
    for (let i = 0; i < this.#active.length; i++) {
      const session = this.#active[i]!;
      const measured = session.rtts?.[site.id];
      const rttMs =
        measured && nowMs - measured.atMs <= RTT_HOLDS_MS
          ? measured.rttMs
          : userRttMs(
              this.#settings.network,
              this.#sites.index.distanceKm(this.#probes[i]!, site.index),
              this.#nearestOf[i] === site.index,
            );
      sum += session.weight * Math.max(0, rttMs - this.#targetRttMs);
    }
    return sum;
  }

  /** Keeps which site serves best, and learns from each change how long one stays it. */
  #noteBest(vm: Vm, nowMs: number): void {
    let best = 0;
    for (let i = 1; i < this.#serving.length; i++) if (this.#serving[i]! < this.#serving[best]!) best = i;
    const site = this.#candidates[best]!.id;
    if (site === vm.best) return;
    if (vm.best !== null) vm.stayMs += STAY_LEARNING * (nowMs - vm.bestSinceMs - vm.stayMs);
    vm.best = site;
    vm.bestSinceMs = nowMs;
  }

  /** What the policy makes of the candidates, and how much any gain may change before it would say something else. */
  #advise(vm: Vm, nowMs: number, homeServing: number): { advice: Advice; slackUserMsPerS: number } {
    const circumstances = { nowMs, bestSinceMs: vm.bestSinceMs, stayMs: vm.stayMs };
    const other = this.#bestOther();
    if (other === undefined) return { advice: { kind: 'stay', reason: 'only-site' }, slackUserMsPerS: Infinity };
    const most = homeServing - this.#serving[other]!;
    const pair = this.#sites.pair(vm.home, this.#candidates[other]!);
    const least = this.#policy.leastGain(this.#price(pair, this.#predict(vm, pair)));
    if (most <= 0 || most < least) {
      const reason = most <= 0 ? 'home-is-best' : 'gain-too-small';
      return { advice: { kind: 'stay', reason }, slackUserMsPerS: least - most };
    }
    let chosen: Proposed | undefined;
    let blocked: string | undefined;
    for (let i = 1; i < this.#candidates.length; i++) {
      const gain = homeServing - this.#serving[i]!;
      if (gain <= 0) continue;
      const proposed = this.#propose(vm, this.#candidates[i]!, nowMs, gain, false);
      if (gain < this.#policy.leastGain(proposed.option.costUserMs)) continue;
      if (proposed.rejected !== undefined) blocked ??= proposed.rejected;
      else if (chosen === undefined || this.#score(proposed, circumstances) > this.#score(chosen, circumstances)) {
        chosen = proposed;
      }
    }
    const slackUserMsPerS = most * GAIN_TOLERANCE;
    if (!chosen) return { advice: { kind: 'blocked', reason: blocked ?? 'blocked' }, slackUserMsPerS };
    const readyAtMs = this.#policy.readyAtMs(chosen.option, circumstances);
    return { advice: { kind: 'move', reason: 'better-site', choice: chosen.choice, readyAtMs }, slackUserMsPerS };
  }

  #bestOther(): number | undefined {
    let best: number | undefined;
    for (let i = 1; i < this.#serving.length; i++) {
      if (best === undefined || this.#serving[i]! < this.#serving[best]!) best = i;
    }
    return best;
  }

  #score({ option }: Proposed, circumstances: Circumstances): number {
    return this.#policy.score(option, circumstances);
  }

  /** What a move costs once: the interruption and the slowdown for every user, and the bytes. */
  #price(pair: Pair, raw: PredictedMove): number {
    const { slowdownUserMsPerS, priceUserMsPerGb } = this.#settings.policy;
    const interruptionMs = raw.interruptionMs * pair.correction.interruption;
    const durationS = (raw.durationMs * pair.correction.duration) / 1000;
    return (interruptionMs + slowdownUserMsPerS * durationS) * this.#weight + (priceUserMsPerGb * raw.bytes) / 1e9;
  }

  /** Predicts a move, prices it, and asks the filters. */
  #propose(vm: Vm, to: Site, nowMs: number, gainUserMsPerS: number, forced: boolean): Proposed {
    const pair = this.#sites.pair(vm.home, to);
    const raw = this.#predict(vm, pair);
    const durationMs = raw.durationMs * pair.correction.duration;
    const costUserMs = this.#price(pair, raw);
    const option: Option = { gainUserMsPerS, costUserMs, durationMs };
    const circumstances = { nowMs, bestSinceMs: vm.bestSinceMs, stayMs: vm.stayMs };
    const proposal: Proposal = { vm, pair, predicted: raw, nowMs };
    return {
      option,
      rejected: to === vm.home ? 'already-there' : refusal(proposal, this.#rules, forced),
      choice: {
        from: vm.home.id,
        site: to.id,
        reason: forced ? 'ordered' : 'better-site',
        paths: pair.paths.map((path) => path.id),
        raw: { durationMs: raw.durationMs, interruptionMs: raw.interruptionMs },
        prediction: {
          durationMs,
          interruptionMs: raw.interruptionMs * pair.correction.interruption,
          bytes: raw.bytes,
          costUserMs,
          benefitUserMs: benefitUserMs(option, circumstances),
        },
      },
    };
  }

  #predict(vm: Vm, pair: Pair): PredictedMove {
    // A pair is asked again and again about VMs of one size, or about the VM that is drifting right now.
    if (pair.predicted?.spec !== vm.spec) {
      pair.predicted = { spec: vm.spec, move: predictMove(this.#settings.move, vm.spec, pair.paths, pair.rttMs) };
    }
    return pair.predicted.move;
  }

  /** The legal site that serves best, near the users or, where there are none, near the home. */
  #refuge(vm: Vm, nowMs: number): Choice | undefined {
    const { home } = vm;
    const reason = home.draining ? 'home-draining' : 'home-silent';
    const probe = new Float64Array(3);
    unitVector(home, probe);
    const count = this.#sites.index.nearest(probe, home, REFUGES, this.#found, this.#km);
    const near = Array.from(this.#found.subarray(0, count), (i) => this.#sites.list[i]!);
    let chosen: Choice | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const site of new Set([...this.#candidates.slice(1), ...near])) {
      if (site === home) continue;
      const serving = this.#servingFrom(site, nowMs);
      if (serving >= least) continue;
      const { choice, rejected } = this.#propose(vm, site, nowMs, this.#serving[0]! - serving, true);
      if (rejected !== undefined) continue;
      chosen = { ...choice, reason };
      least = serving;
    }
    return chosen;
  }

  #radiusKm(slackUserMsPerS: number): number {
    const { msPerKm, detour } = this.#settings.network;
    // The home's cost and the other site's can both change, in opposite directions.
    return slackUserMsPerS / (2 * msPerKm * detour * this.#weight);
  }
}

/** A candidate with everything a policy wants to know of it. */
interface Proposed {
  readonly choice: Choice;
  readonly option: Option;
  readonly rejected: string | undefined;
}
