/**
 * Evaluates one VM: scans the sites near its users, predicts and prices moves to better sites, and gives the policy's advice.
 *
 * An evaluation costs some microseconds, so it runs only if its result can differ from the last one. Each evaluation therefore also
 * computes the *quiet radius*. A user who moves by d km changes the cost of any site by at most weight × d × msPerKm × detour
 * (`model/network.ts`). While all users stay within the quiet radius around their last evaluated positions, and the nearest site of
 * each remains the same, another evaluation would come to the same result.
 */
import type { PolicyConfig } from '../../config/schema.ts';
import type { Candidate } from '../../events/index.ts';
import { nearKm2, unitVector } from '../../geo/distance.ts';
import type { NetworkModel } from '../../model/network.ts';
import type { AnyPolicy } from '../rules/named.ts';
import { type Circumstances, expectedDwellMs, type Policy } from '../rules/policies.ts';
import type { PlacementRule } from '../rules/published/rule.ts';
import { dwellAt, learnDwell } from '../state/dwell-times.ts';
import type { EndedStays } from '../state/ended-stays.ts';
import type { Forecast } from '../state/forecast.ts';
import { absenceOf } from '../state/presence.ts';
import type { SiteTable } from '../state/sites.ts';
import type { Session, Site, Vm } from '../state/state.ts';
import { StayCurve } from '../state/stay-curve.ts';
import { whyUnpopulated } from '../state/vm.ts';
import type { DecisionSource } from '../state/vm-context.ts';
import { isAllowed } from './affinity.ts';
import { CandidateScan, SAFETY } from './candidate-scan.ts';
import { type EstimateSettings, Estimates } from './estimates.ts';
import { ABOUT_DESTINATION, type FilterSettings, isSilent, refusal } from './filters.ts';
import { ReusedRuleInput } from './rule-input.ts';
import { type EvaluationSummary, topCandidates } from './summary.ts';
import { type Choice, choiceOf, predictionOf, type Weighed } from './weighed.ts';

/** The policy's advice: stay; move at `readyAtMs`; or `blocked`: it would move, but a filter refuses. `reason` is published. */
export type Advice =
  | { readonly kind: 'stay'; readonly reason: string }
  | { readonly kind: 'blocked'; readonly reason: string }
  | { readonly kind: 'move'; readonly reason: string; readonly choice: Choice; readonly readyAtMs: number };

/** Why a VM has to leave its home: the site drains or is silent, or the VM may not run there any more. */
export type HomeLost = 'not-allowed' | 'draining' | 'silent';

/** The result of evaluating a VM at one instant. */
export interface Evaluation {
  readonly populated: boolean;
  /** Why the VM has to leave its home. */
  readonly homeLost: HomeLost | null;
  readonly advice: Advice;
  /** The site to evacuate to; computed only if the home is lost. */
  readonly refuge: Choice | undefined;
  /** During a move: how much less it costs to serve from the destination than from the home, in user-milliseconds a second. */
  readonly targetGain: number;
}

/** Number of sites near the home that are considered for an evacuation. */
const REFUGES = 32;
/** With a better site, the slack is this share of the gain. */
const GAIN_TOLERANCE = 0.2;
/** A move is predicted only for sites with at least this share of the best one's gain. */
const ABOUT_AS_WELL = 0.8;
/** Least slack during a move, in user-ms a second. The gain may be near zero, and a radius of zero would evaluate at every event. */
const LEAST_SLACK = 0.01;

/** The slack, and the quiet radius, that lead to an evaluation at the next event. */
const NEXT_EVENT = -1;

/** The settings of evaluations. */
export interface EvaluationSettings extends EstimateSettings {
  readonly network: NetworkModel;
  readonly policy: PolicyConfig;
}

/** The forecast of stays, which an evaluator reads, and the ended stays, to which it adds. */
export interface StayKnowledge {
  readonly forecast: Forecast;
  readonly ended: EndedStays;
}

/** Evaluates VMs one after the other, with reused buffers. Owned by one `Placement`. */
export class VmEvaluator {
  readonly #sites: SiteTable;
  readonly #settings: EvaluationSettings;
  readonly #policy: AnyPolicy;
  readonly #filterSettings: FilterSettings;
  readonly #scan: CandidateScan;
  readonly #estimates: Estimates;
  readonly #ruleInput: ReusedRuleInput;
  readonly #stays: StayKnowledge;
  readonly #curve = new StayCurve();

  constructor(
    sites: SiteTable,
    settings: EvaluationSettings,
    policy: AnyPolicy,
    filterSettings: FilterSettings,
    stays: StayKnowledge,
  ) {
    this.#stays = stays;
    this.#sites = sites;
    this.#settings = settings;
    this.#policy = policy;
    this.#filterSettings = filterSettings;
    this.#scan = new CandidateScan(sites, settings.network, settings.policy.sessionTimeoutMs);
    this.#estimates = new Estimates(settings);
    this.#ruleInput = new ReusedRuleInput(this.#scan, sites, this.#estimates);
  }

  /**
   * Evaluates a VM; sets its quiet radius, its best site, and the anchors of its sessions.
   * @param again reuse the scan of the previous call. Allowed only if that call was for the same VM at the same `nowMs`; only the
   *   VM's state may have changed since.
   */
  evaluate(vm: Vm, nowMs: number, again = false): Evaluation {
    const scan = this.#scan;
    if (!again) {
      scan.scan(vm, nowMs);
      scan.anchor(vm);
    }
    const homeLost = this.#homeLost(vm, nowMs);
    const refuge = homeLost ? this.#refuge(vm, nowMs, homeLost) : undefined;
    if (scan.active.length === 0) {
      vm.quietKm = -1;
      const why = whyUnpopulated(vm);
      // Users who said that they leave have just done so. Others may have left at any moment after their last position, so no dwell
      // time is learned.
      if (why === 'users-left' && vm.best !== null) learnDwell(vm.dwellTimes, vm.best, nowMs - vm.bestSinceMs);
      // For the forecast a stay lasts until the last position: time without a user is no gain.
      if (vm.best !== null)
        this.#stays.ended.note(vm, (why === 'users-silent' ? lastFixMs(vm) : nowMs) - vm.bestSinceMs);
      vm.best = null;
      vm.cameBy = null;
      vm.memory = null;
      const reason = engaged(vm, nowMs) ?? why;
      return { populated: false, homeLost, advice: { kind: 'stay', reason }, refuge, targetGain: 0 };
    }
    this.#noteBest(vm, nowMs);
    const policy = this.#policy;
    if ('choose' in policy) return { populated: true, homeLost, refuge, ...this.#follow(policy, vm, nowMs) };
    if (vm.context.move) {
      const targetGain = scan.serving[0]! - scan.servingFrom(this.#sites.named(vm.context.move.to));
      vm.quietKm = this.#radiusKm(Math.max(Math.abs(targetGain) * GAIN_TOLERANCE, LEAST_SLACK));
      const reason = MOVING_BECAUSE[vm.context.move.source];
      return { populated: true, homeLost, advice: { kind: 'stay', reason }, refuge, targetGain };
    }
    const pause = engaged(vm, nowMs);
    if (pause !== undefined) {
      // During a cooldown an evaluation only learns dwell times.
      vm.quietKm = this.#radiusKm(Number.POSITIVE_INFINITY);
      return { populated: true, homeLost, advice: { kind: 'stay', reason: pause }, refuge, targetGain: 0 };
    }
    const { advice, slackUserMsPerS } = this.#advise(policy, vm, nowMs);
    vm.quietKm = this.#radiusKm(slackUserMsPerS);
    return { populated: true, homeLost, advice, refuge, targetGain: 0 };
  }

  /**
   * An evaluation for an explanation: every candidate with its cost. A candidate that serves better also has the prediction of a
   * move and the filter that refuses it. Changes nothing of the VM.
   */
  candidates(vm: Vm, nowMs: number): EvaluationSummary {
    const scan = this.#scan;
    scan.scan(vm, nowMs, true);
    const list = scan.candidates.map((site, i): Candidate => {
      const servingUserMsPerS = scan.serving[i]!;
      const gain = scan.serving[0]! - servingUserMsPerS;
      // There is no prediction for a site that serves worse.
      if (gain <= 0) return { site: site.id, servingUserMsPerS };
      const weighed = this.#weigh(vm, site, gain);
      const rejected = this.#rejected(vm, weighed, nowMs, false);
      return {
        site: site.id,
        servingUserMsPerS,
        ...(rejected !== undefined && { rejected }),
        // Without a path the predicted duration is only a bound, so it is left out.
        ...(weighed.pair.paths.length > 0 && { prediction: predictionOf(weighed, this.#circumstances(vm, nowMs)) }),
      };
    });
    return {
      home: scan.serving[0]!,
      sessions: scan.active.length,
      oldestFixAgeMs: Math.max(0, nowMs - scan.oldestFixMs),
      absence: absenceOf(vm.sessions, nowMs, this.#settings.policy.sessionTimeoutMs),
      expectedStayMs: Math.max(0, expectedDwellMs(this.#circumstances(vm, nowMs))),
      list: topCandidates(list),
    };
  }

  /** Evaluates an operator's order: only the filters that also hold for evacuations can reject it. */
  order(vm: Vm, to: Site, nowMs: number): { choice: Choice; rejected: string | undefined } {
    this.#scan.scan(vm, nowMs);
    const gain = this.#scan.serving[0]! - this.#scan.servingFrom(to);
    const weighed = this.#weigh(vm, to, gain);
    const choice = choiceOf(weighed, this.#circumstances(vm, nowMs), 'ordered');
    return { choice, rejected: this.#rejected(vm, weighed, nowMs, true) };
  }

  #homeLost({ home, affinity }: Vm, nowMs: number): HomeLost | null {
    if (!isAllowed(affinity, home.id)) return 'not-allowed';
    if (home.draining) return 'draining';
    return isSilent(home, nowMs, this.#settings.policy.siteSilentMs) ? 'silent' : null;
  }

  /** Stores the site that serves best, and learns a dwell time at each change. */
  #noteBest(vm: Vm, nowMs: number): void {
    const site = this.#scan.candidates[this.#scan.best()]!.id;
    if (site === vm.best) return;
    if (vm.best !== null) {
      learnDwell(vm.dwellTimes, vm.best, nowMs - vm.bestSinceMs);
      this.#stays.ended.note(vm, nowMs - vm.bestSinceMs);
    }
    vm.cameBy = vm.best;
    vm.best = site;
    vm.bestSinceMs = nowMs;
  }

  #circumstances({ best, bestSinceMs, cameBy, dwellTimes }: Vm, nowMs: number): Circumstances {
    const curve = this.#curve;
    const known = best !== null && this.#stays.forecast.outlook(best, cameBy, this.#stays.ended.nowMs, curve);
    if (known) curve.begin(Math.max(0, nowMs - bestSinceMs));
    return { nowMs, dwell: dwellAt(dwellTimes, best, bestSinceMs, this.#scan), outlook: known ? curve : undefined };
  }

  /** The policy's advice, and its slack: how much any gain may change before the advice could differ. */
  #advise(policy: Policy, vm: Vm, nowMs: number): { advice: Advice; slackUserMsPerS: number } {
    const { serving } = this.#scan;
    const other = this.#scan.bestOther();
    if (other === undefined) return { advice: { kind: 'stay', reason: 'only-site' }, slackUserMsPerS: Infinity };
    const mostGain = serving[0]! - serving[other]!;
    if (mostGain <= 0) return { advice: { kind: 'stay', reason: 'home-is-best' }, slackUserMsPerS: -mostGain };
    const circumstances = this.#circumstances(vm, nowMs);
    const { chosen, blocked, missingGain } = this.#choose(policy, vm, circumstances);
    if (chosen === undefined && blocked === undefined) {
      return { advice: { kind: 'stay', reason: 'gain-too-small' }, slackUserMsPerS: missingGain };
    }
    const slackUserMsPerS = mostGain * GAIN_TOLERANCE;
    if (chosen === undefined) return { advice: { kind: 'blocked', reason: blocked! }, slackUserMsPerS };
    const choice = choiceOf(chosen, circumstances, 'better-site');
    // Users who should have reported by now may have gone, so no move is ordered until one of them reports again. Otherwise their
    // silence would count as the stay that proves a move to be worth it. A silence as long as the move proves nothing: every proof
    // takes longer than that.
    const { presentUntilMs, newestFixMs } = this.#scan;
    if (nowMs > Math.max(presentUntilMs, newestFixMs + chosen.option.durationMs)) {
      const readyAtMs = Number.POSITIVE_INFINITY;
      return { advice: { kind: 'move', reason: 'users-quiet', choice, readyAtMs }, slackUserMsPerS: NEXT_EVENT };
    }
    const readyAtMs = policy.readyAtMs(chosen.option, circumstances);
    return { advice: { kind: 'move', reason: 'better-site', choice, readyAtMs }, slackUserMsPerS };
  }

  /**
   * Chooses among the sites that pass the filters and serve about as well as the best of them the one with the highest score.
   * @returns the chosen site; otherwise `blocked`, the filter that refuses the best site; otherwise `missingGain`, the least gain
   *   that is missing for a move to be worth its cost
   */
  #choose(
    policy: Policy,
    vm: Vm,
    circumstances: Circumstances,
  ): { chosen: Weighed | undefined; blocked: string | undefined; missingGain: number } {
    const { candidates, serving } = this.#scan;
    const { nowMs } = circumstances;
    let chosen: Weighed | undefined;
    let score = Number.NEGATIVE_INFINITY;
    let enough = 0;
    let blocked: string | undefined;
    let missingGain = Number.POSITIVE_INFINITY;
    for (const i of this.#scan.ranked()) {
      const gain = serving[0]! - serving[i]!;
      if (gain <= enough) break;
      const weighed = this.#weigh(vm, candidates[i]!, gain);
      // A missing path has precedence over a gain that is too small as the published reason.
      if (weighed.pair.paths.length === 0) {
        blocked ??= 'no-path';
        continue;
      }
      const missing = policy.leastGain(weighed.option.costUserMs) - gain;
      if (missing > 0) {
        missingGain = Math.min(missingGain, missing);
        continue;
      }
      const rejected = this.#rejected(vm, weighed, nowMs, false);
      if (rejected !== undefined) {
        blocked ??= rejected;
        continue;
      }
      if (chosen === undefined) enough = gain * ABOUT_AS_WELL;
      const itsScore = policy.score(weighed.option, circumstances);
      if (itsScore <= score) continue;
      chosen = weighed;
      score = itsScore;
    }
    return { chosen, blocked, missingGain };
  }

  /** Runs a published rule. It runs at every position, because its memory depends on all of them. */
  #follow(rule: PlacementRule, vm: Vm, nowMs: number): Pick<Evaluation, 'advice' | 'targetGain'> {
    const { candidates, serving } = this.#scan;
    const { usualMs } = dwellAt(vm.dwellTimes, vm.best, vm.bestSinceMs, this.#scan);
    const view = this.#ruleInput.fill(vm, nowMs, usualMs);
    vm.quietKm = -1;
    vm.memory ??= rule.begin(view);
    const wanted = rule.choose(view, vm.memory);
    if (vm.context.move) {
      // A move under way is not cancelled while the rule would still leave the home, even if the destination has become worse.
      const there = wanted === 0 ? this.#scan.servingFrom(this.#sites.named(vm.context.move.to)) : serving[0]!;
      const targetGain = serving[0]! - there;
      return { advice: { kind: 'stay', reason: MOVING_BECAUSE[vm.context.move.source] }, targetGain };
    }
    if (wanted === 0) {
      return { advice: { kind: 'stay', reason: view.best === 0 ? 'home-is-best' : 'no-move-wanted' }, targetGain: 0 };
    }
    const weighed = this.#weigh(vm, candidates[wanted]!, serving[0]! - serving[wanted]!);
    const rejected = this.#rejected(vm, weighed, nowMs, false);
    if (rejected !== undefined) return { advice: { kind: 'blocked', reason: rejected }, targetGain: 0 };
    const reason = 'better-site';
    const choice = choiceOf(weighed, this.#circumstances(vm, nowMs), reason);
    return { advice: { kind: 'move', reason, choice, readyAtMs: nowMs }, targetGain: 0 };
  }

  /** Predicts a move and prices it. */
  #weigh(vm: Vm, to: Site, gainUserMsPerS: number): Weighed {
    const pair = this.#sites.pair(vm.home, to);
    const raw = this.#estimates.predict(vm.spec, pair);
    const costUserMs = this.#estimates.costUserMs(pair, raw, this.#scan.weight);
    return { pair, raw, option: { gainUserMsPerS, costUserMs, durationMs: raw.durationMs * pair.correction.duration } };
  }

  /** The filter that refuses a move; undefined: none does. */
  #rejected(vm: Vm, { pair, raw }: Weighed, nowMs: number, forced: boolean): string | undefined {
    if (pair.to === vm.home) return 'already-there';
    return refusal({ vm, pair, predicted: raw, nowMs }, this.#filterSettings, forced);
  }

  /** Finds the site to evacuate to: the best one that the filters pass, among the sites near the users and near the home. */
  #refuge(vm: Vm, nowMs: number, homeLost: HomeLost): Choice | undefined {
    const scan = this.#scan;
    const probe = new Float64Array(3);
    const found = new Int32Array(REFUGES);
    unitVector(vm.home, probe);
    const count = this.#sites.index.nearest(probe, vm.home, REFUGES, found, new Float64Array(REFUGES));
    const near = Array.from(found.subarray(0, count), (i) => this.#sites.list[i]!);
    let chosen: Weighed | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const site of new Set([...scan.candidates.slice(1), ...near])) {
      const serving = scan.servingFrom(site);
      if (serving >= least) continue;
      const weighed = this.#weigh(vm, site, scan.serving[0]! - serving);
      if (this.#rejected(vm, weighed, nowMs, true) !== undefined) continue;
      chosen = weighed;
      least = serving;
    }
    return chosen && choiceOf(chosen, this.#circumstances(vm, nowMs), `home-${homeLost}`);
  }

  /** True while the user stays within the VM's quiet radius, and the site nearest to the user remains the same. */
  isWithinQuietRadius({ quietKm }: Vm, session: Session): boolean {
    const { track, lookLat, lookLon, lookScale, anchorLat, anchorLon, anchorScale, certainKm } = session;
    if (quietKm < 0 || nearKm2(lookLat, lookLon, lookScale, track.lat, track.lon) > quietKm * quietKm) return false;
    if (nearKm2(anchorLat, anchorLon, anchorScale, track.lat, track.lon) <= certainKm * certainKm) return true;
    return this.#scan.sameNearest(session);
  }

  /** The quiet radius in km: r = 0.98 × slack / (2 × msPerKm × detour × Σ weight), see the head of this file. */
  #radiusKm(slackUserMsPerS: number): number {
    const { msPerKm, detour } = this.#settings.network;
    // Factor 2: the cost of the home and that of the other site may change in opposite directions.
    const km = (SAFETY * slackUserMsPerS) / (2 * msPerKm * detour * this.#scan.weight);
    // 0 / 0: no slack, and distance costs nothing.
    return Number.isNaN(km) ? NEXT_EVENT : km;
  }
}

/** Time of the newest position of a VM's users; -1: there is none. */
function lastFixMs({ sessions }: Vm): number {
  return sessions.reduce((last, { track }) => Math.max(last, track.atMs), -1);
}

/** The published reason of a moving VM, by the source of its decision. */
const MOVING_BECAUSE: Readonly<Record<DecisionSource, string>> = {
  policy: 'better-site',
  evacuation: 'home-lost',
  operator: 'ordered',
};

/** The reason why no decision is possible now: the VM's move or its cooldown; undefined: one is possible. */
function engaged({ state, context }: Vm, nowMs: number): string | undefined {
  if (context.move) return MOVING_BECAUSE[context.move.source];
  return context.deadlineMs !== null && nowMs < context.deadlineMs ? state : undefined;
}

/** The published reason of a VM after an evaluation. */
export function reasonOf({ homeLost, advice }: Evaluation): string {
  if (homeLost !== null) return `home-${homeLost}`;
  const { kind, reason } = advice;
  return kind === 'blocked' && ABOUT_DESTINATION.has(reason) ? `better-site-${reason}` : reason;
}
