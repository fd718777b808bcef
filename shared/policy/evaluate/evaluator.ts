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
import type { NetworkModel } from '../../model/network.ts';
import type { AnyPolicy } from '../rules/named.ts';
import { type Circumstances, expectedDwellMs, type Option, type Policy } from '../rules/policies.ts';
import type { PlacementRule } from '../rules/published/rule.ts';
import { dwellAt, learnDwell } from '../state/dwell-times.ts';
import { type Peers, siteOf } from '../state/peers.ts';
import { absenceOf } from '../state/presence.ts';
import type { SiteTable } from '../state/sites.ts';
import type { Session, Site, Vm } from '../state/state.ts';
import type { Traffic } from '../state/traffic.ts';
import { lastFixMs, whyUnpopulated } from '../state/vm.ts';
import { isAllowed } from './affinity.ts';
import { CandidateScan, SAFETY } from './candidate-scan.ts';
import type { EstimateSettings } from './estimates.ts';
import {
  type Advice,
  type Evaluation,
  engaged,
  type Flight,
  type HomeLost,
  MOVING_BECAUSE,
  NO_FLIGHT,
} from './evaluation.ts';
import { type FilterSettings, isSilent } from './filters.ts';
import { Groups } from './group.ts';
import { MovePlanner } from './planner.ts';
import { refugeOf } from './refuge.ts';
import { ReusedRuleInput } from './rule-input.ts';
import { type EvaluationSummary, topCandidates } from './summary.ts';
import { type Choice, choiceOf, predictionOf, type Weighed } from './weighed.ts';
import { MoveWeigher, type StayKnowledge, WAITS } from './weigher.ts';

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

/** Evaluates VMs one after the other, with reused buffers. Owned by one `Placement`. */
export class VmEvaluator {
  readonly #sites: SiteTable;
  readonly #settings: EvaluationSettings;
  readonly #policy: AnyPolicy;
  readonly #filterSettings: FilterSettings;
  readonly #scan: CandidateScan;
  readonly #planner: MovePlanner;
  readonly #peers: Peers;
  readonly #groups: Groups;
  readonly #ruleInput: ReusedRuleInput;
  readonly #stays: StayKnowledge;
  readonly #weigher: MoveWeigher;

  constructor(
    traffic: Traffic,
    settings: EvaluationSettings,
    policy: AnyPolicy,
    filterSettings: FilterSettings,
    stays: StayKnowledge,
  ) {
    this.#stays = stays;
    const { sites } = filterSettings;
    this.#sites = sites;
    this.#settings = settings;
    this.#policy = policy;
    this.#filterSettings = filterSettings;
    this.#planner = new MovePlanner(traffic, settings);
    this.#peers = filterSettings.peers;
    this.#groups = new Groups(this.#peers, sites, this.#planner.estimates);
    this.#scan = new CandidateScan(sites, settings.network, settings.policy.sessionTimeoutMs, this.#groups);
    this.#weigher = new MoveWeigher(this.#scan, this.#planner, this.#groups, filterSettings, stays);
    this.#ruleInput = new ReusedRuleInput(this.#scan, sites, this.#planner.estimates);
  }

  /** Evaluates a VM; sets its quiet radius, its best site, and the anchors of its sessions. */
  evaluate(vm: Vm, nowMs: number): Evaluation {
    const evaluation = this.#evaluate(vm, nowMs);
    if (vm.affinity === null || vm.context.move === null || evaluation.callOff !== undefined) return evaluation;
    return this.#peers.givesWay(vm, vm.context.move) ? { ...evaluation, callOff: 'kept-apart' } : evaluation;
  }

  #evaluate(vm: Vm, nowMs: number): Evaluation {
    const scan = this.#scan;
    scan.scan(vm, nowMs);
    scan.anchor(vm);
    const homeLost = this.#homeLost(vm, nowMs);
    const flight = homeLost ? this.#flee(vm, nowMs, homeLost) : NO_FLIGHT;
    const lead = vm.affinity === null ? undefined : this.#peers.leadOf(vm);
    if (lead !== undefined) {
      // The lead decides: positions of its own users change nothing, and no stay is learned from them.
      vm.quietKm = Number.POSITIVE_INFINITY;
      vm.best = null;
      vm.cameBy = null;
      return { populated: true, homeLost, ...flight, targetGain: 0, ...this.#accompany(vm, lead, nowMs) };
    }
    if (scan.active.length === 0) {
      const why = this.#noteUnpopulated(vm, nowMs);
      const reason = engaged(vm, nowMs) ?? why;
      return { populated: false, homeLost, advice: { kind: 'stay', reason }, ...flight, targetGain: 0 };
    }
    this.#noteBest(vm, nowMs);
    const policy = this.#policy;
    if ('choose' in policy) return { populated: true, homeLost, ...flight, ...this.#follow(policy, vm, nowMs) };
    if (vm.context.move) {
      const targetGain = scan.serving[0]! - scan.servingFrom(this.#sites.named(vm.context.move.to));
      vm.quietKm = this.#radiusKm(Math.max(Math.abs(targetGain) * GAIN_TOLERANCE, LEAST_SLACK));
      const reason = MOVING_BECAUSE[vm.context.move.source];
      return { populated: true, homeLost, advice: { kind: 'stay', reason }, ...flight, targetGain };
    }
    const pause = engaged(vm, nowMs);
    if (pause !== undefined) {
      // During a cooldown an evaluation only learns dwell times.
      vm.quietKm = this.#radiusKm(Number.POSITIVE_INFINITY);
      return { populated: true, homeLost, advice: { kind: 'stay', reason: pause }, ...flight, targetGain: 0 };
    }
    const { advice, slackUserMsPerS } = this.#advise(policy, vm, nowMs);
    vm.quietKm = this.#radiusKm(slackUserMsPerS);
    return { populated: true, homeLost, advice, ...flight, targetGain: 0 };
  }

  /**
   * An evaluation for an explanation: every candidate with its cost. A candidate that serves better also has the prediction of a
   * move and the filter that refuses it. Changes nothing of the VM.
   */
  candidates(vm: Vm, nowMs: number): EvaluationSummary {
    const scan = this.#scan;
    scan.scan(vm, nowMs, true);
    // A move is planned only to those that are shown.
    const shown = topCandidates(scan.candidates.map((site, i) => ({ site, servingUserMsPerS: scan.serving[i]! })));
    const list = shown.map(({ site, servingUserMsPerS }): Candidate => {
      const gain = scan.serving[0]! - servingUserMsPerS;
      // There is no prediction for a site that serves worse.
      if (gain <= 0) return { site: site.id, servingUserMsPerS };
      const { weighed, turnMs } = this.#planner.plan(this.#weigher.weigh(vm, site, gain), nowMs);
      const rejected = this.#weigher.rejected(vm, weighed, nowMs, 'policy') ?? (turnMs > nowMs ? WAITS : undefined);
      return {
        site: site.id,
        servingUserMsPerS,
        ...(rejected !== undefined && { rejected }),
        // Without a path the predicted duration is only a bound, so it is left out.
        ...(weighed.pair.paths.length > 0 && {
          prediction: predictionOf(weighed, this.#weigher.circumstances(vm, nowMs)),
        }),
      };
    });
    return {
      home: scan.serving[0]!,
      sessions: scan.active.length,
      oldestFixAgeMs: Math.max(0, nowMs - scan.oldestFixMs),
      absence: absenceOf(vm.sessions, nowMs, this.#settings.policy.sessionTimeoutMs),
      expectedStayMs: Math.max(0, expectedDwellMs(this.#weigher.circumstances(vm, nowMs))),
      list,
    };
  }

  /** Evaluates an operator's order: the filters that prevent unnecessary moves only do not reject it. */
  order(vm: Vm, to: Site, nowMs: number): { choice: Choice; rejected: string | undefined } {
    this.#scan.scan(vm, nowMs);
    const gain = this.#scan.serving[0]! - this.#scan.servingFrom(to);
    const weighed = this.#planner.beside(this.#weigher.weigh(vm, to, gain, true), nowMs);
    const choice = choiceOf(weighed, this.#weigher.circumstances(vm, nowMs), 'ordered');
    return { choice, rejected: this.#weigher.rejected(vm, weighed, nowMs, 'operator') };
  }

  #homeLost(vm: Vm, nowMs: number): HomeLost | null {
    const { home, affinity } = vm;
    if (!isAllowed(affinity, home.id)) return 'not-allowed';
    if (home.draining) return 'draining';
    if (isSilent(home, nowMs, this.#settings.policy.siteSilentMs)) return 'silent';
    return affinity !== null && this.#peers.hasToLeave(vm) ? 'shared' : null;
  }

  /** Ends the stay of a VM without users. @returns why it has none */
  #noteUnpopulated(vm: Vm, nowMs: number): string {
    vm.quietKm = -1;
    const why = whyUnpopulated(vm);
    // Users who said that they leave have just done so. Others may have left at any moment after their last position, so no dwell
    // time is learned.
    if (why === 'users-left' && vm.best !== null) learnDwell(vm.dwellTimes, vm.best, nowMs - vm.bestSinceMs);
    // For the forecast a stay lasts until the last position: time without a user is no gain.
    if (vm.best !== null) this.#stays.ended.note(vm, (why === 'users-silent' ? lastFixMs(vm) : nowMs) - vm.bestSinceMs);
    vm.best = null;
    vm.cameBy = null;
    vm.memory = null;
    return why;
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

  /** The policy's advice, and its slack: how much any gain may change before the advice could differ. */
  #advise(policy: Policy, vm: Vm, nowMs: number): { advice: Advice; slackUserMsPerS: number } {
    const { serving } = this.#scan;
    const other = this.#scan.bestOther();
    if (other === undefined) return { advice: { kind: 'stay', reason: 'only-site' }, slackUserMsPerS: Infinity };
    const mostGain = serving[0]! - serving[other]!;
    if (mostGain <= 0) return { advice: { kind: 'stay', reason: 'home-is-best' }, slackUserMsPerS: -mostGain };
    const circumstances = this.#weigher.circumstances(vm, nowMs);
    const { chosen, blocked, missingGain } = this.#choose(policy, vm, circumstances);
    if (chosen === undefined && blocked === undefined) {
      return { advice: { kind: 'stay', reason: 'gain-too-small' }, slackUserMsPerS: missingGain };
    }
    const slackUserMsPerS = mostGain * GAIN_TOLERANCE;
    if (chosen === undefined) return { advice: { kind: 'blocked', reason: blocked! }, slackUserMsPerS };
    // Users who should have reported by now may have gone, so no move is ordered until one of them reports again. Otherwise their
    // silence would count as the stay that proves a move to be worth it. A silence as long as the move proves nothing: every proof
    // takes longer than that.
    const { presentUntilMs, newestFixMs } = this.#scan;
    if (nowMs > Math.max(presentUntilMs, newestFixMs + chosen.option.durationMs)) {
      const readyAtMs = Number.POSITIVE_INFINITY;
      return { advice: { kind: 'move', reason: 'users-quiet', readyAtMs }, slackUserMsPerS: NEXT_EVENT };
    }
    const readyAt = (option: Option) => policy.readyAtMs(option, circumstances);
    return { advice: this.#weigher.inTurn(chosen, readyAt, circumstances), slackUserMsPerS };
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
    let score: number | undefined;
    let enough = 0;
    let blocked: string | undefined;
    let missingGain = Number.POSITIVE_INFINITY;
    for (const i of this.#scan.ranked()) {
      const gain = serving[0]! - serving[i]!;
      if (gain <= enough) break;
      const weighed = this.#weigher.weigh(vm, candidates[i]!, gain);
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
      const rejected = this.#weigher.rejected(vm, weighed, nowMs, 'policy');
      if (rejected !== undefined) {
        blocked ??= rejected;
        continue;
      }
      if (chosen === undefined) {
        chosen = weighed;
        enough = gain * ABOUT_AS_WELL;
        continue;
      }
      // Most VMs have one candidate only, and need no score.
      score ??= this.#planner.score(policy, chosen, circumstances);
      const itsScore = this.#planner.score(policy, weighed, circumstances);
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
    const weighed = this.#weigher.weigh(vm, candidates[wanted]!, serving[0]! - serving[wanted]!);
    const rejected = this.#weigher.rejected(vm, weighed, nowMs, 'policy');
    if (rejected !== undefined) return { advice: { kind: 'blocked', reason: rejected }, targetGain: 0 };
    return {
      advice: this.#weigher.inTurn(weighed, () => nowMs, this.#weigher.circumstances(vm, nowMs)),
      targetGain: 0,
    };
  }

  /** The advice for a VM that follows a lead: it goes where the lead is or goes, whatever its own users would gain. */
  #accompany(vm: Vm, lead: Vm, nowMs: number): Pick<Evaluation, 'advice' | 'callOff'> {
    const target = siteOf(lead);
    const { move } = vm.context;
    if (move !== null) {
      const isAstray = move.source === 'policy' && move.to !== target;
      return { advice: { kind: 'stay', reason: 'with-lead' }, callOff: isAstray ? 'lead-elsewhere' : undefined };
    }
    const reason = engaged(vm, nowMs) ?? (vm.home.id === target ? 'with-lead' : undefined);
    if (reason !== undefined) return { advice: { kind: 'stay', reason } };
    const site = this.#sites.get(target);
    if (site === undefined || site.index < 0) return { advice: { kind: 'blocked', reason: 'with-lead-unknown' } };
    if (!this.#groups.isNext(vm, lead, site)) return { advice: { kind: 'blocked', reason: 'waits-for-group' } };
    const weighed = this.#weigher.weigh(vm, site, this.#scan.serving[0]! - this.#scan.servingFrom(site), true);
    // The lead was weighed for all of them, so no filter for comfort holds; but while a pause lasts, nobody sets out alone.
    const isPaused = lead.context.move === null && this.#filterSettings.isPaused();
    const rejected = isPaused ? 'automation-paused' : this.#weigher.rejected(vm, weighed, nowMs, 'operator');
    if (rejected !== undefined) return { advice: { kind: 'blocked', reason: `with-lead-${rejected}` } };
    // A group moves at once: it shares the uplinks.
    const beside = this.#planner.beside(weighed, nowMs);
    const choice = choiceOf(beside, this.#weigher.circumstances(vm, nowMs), 'with-lead');
    return { advice: { kind: 'move', reason: 'with-lead', choice, readyAtMs: nowMs } };
  }

  /** Finds where a VM goes whose home is lost. */
  #flee(vm: Vm, nowMs: number, homeLost: HomeLost): Flight {
    // A move under way goes on.
    if (vm.context.move !== null) return NO_FLIGHT;
    const weigh = (to: Site, gain: number) => this.#weigher.weigh(vm, to, gain, true);
    const fugitive = { vm, homeLost, nowMs, scan: this.#scan, weigh };
    const { chosen, turnMs } = refugeOf(fugitive, this.#planner, this.#filterSettings);
    if (chosen === undefined) return Number.isFinite(turnMs) ? { ...NO_FLIGHT, refugeTurnMs: turnMs } : NO_FLIGHT;
    return { refuge: choiceOf(chosen, this.#weigher.circumstances(vm, nowMs), `home-${homeLost}`) };
  }

  /** True while the user stays within the VM's quiet radius, and the site nearest to the user remains the same. */
  isQuiet(vm: Vm, session: Session): boolean {
    return this.#scan.isQuiet(vm, session);
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
