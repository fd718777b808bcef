/**
 * The default policy with perfect knowledge of one thing: how long this stay lasts, which site comes next, or both. What each is worth
 * shows how much a better forecast could still gain.
 *
 * All else is as under the default policy: the forecast that it learns online for whatever is not known, margin, cooldowns, the hourly
 * budget, turns and limits. Two things differ: a move is ordered at a position (the default policy also orders moves between two
 * positions), and no silence holds it back.
 */
import { userRttMs } from '#shared/model/network.ts';
import { policyNamed } from '#shared/policy/rules/policies.ts';
import type { PlacementRule, RuleInput } from '#shared/policy/rules/published/rule.ts';
import { Forecast } from '#shared/policy/state/forecast.ts';
import { StayCurve, UNKNOWN_HAZARD } from '#shared/policy/state/stay-curve.ts';
import { type RunResult, run } from '../engine.ts';
import { excessRttMs } from '../serving.ts';
import type { PlannerInput } from './cheapest-route.ts';
import { type Foresight, foresightBefore, type PlannedRunInput } from './foresight.ts';
import { type Itinerary, nextPositionMs } from './itinerary.ts';
import { stayAt, type TrueStay, trueStays } from './stays.ts';

/** What the policy knows; false: it relies on the learned forecast. */
export interface Knowledge {
  /** How long the present stay lasts. */
  readonly stay: boolean;
  /** The site of the next stay. How long that lasts is not known. */
  readonly site: boolean;
}

/** Runs the default policy with perfect knowledge. @param name of the policy in the result */
export async function tagalongKnowing(planned: PlannedRunInput, name: string, knows: Knowledge): Promise<RunResult> {
  const { foresight, input } = await foresightBefore(planned);
  const forecast = new Forecast();
  return run({ ...input, forecast, policyOverride: new KnowingRule(name, knows, foresight, forecast) });
}

/** The present stay as the rule has seen it: the memory of a VM. */
interface Seen {
  /** Id of the site that serves best; null: the rule has not seen any yet. */
  site: string | null;
  cameBy: string | null;
  sinceMs: number;
  /** A move to the next site that has been ordered before the stay ends: indexes of the sites; null: none. */
  ahead: { readonly from: number; readonly to: number } | null;
}

/** The truth about one VM. */
interface Truth {
  readonly itinerary: Itinerary;
  readonly input: PlannerInput;
  readonly stays: readonly TrueStay[];
}

/** What it is worth in the next stay to be at another site than the home, in user-milliseconds. */
interface Later {
  /** Beside a VM that may still move there during that stay. */
  readonly worthUserMs: number;
  /** Beside a VM that stays at its home. */
  readonly gainUserMs: number;
}

const NOTHING_LATER: Later = { worthUserMs: 0, gainUserMs: 0 };

/** A candidate to move to. */
interface Plan {
  readonly candidate: number;
  readonly score: number;
  /** When the move is due; Infinity: never. */
  readonly readyAtMs: number;
}

class KnowingRule implements PlacementRule<Seen> {
  readonly name: string;
  readonly hasCooldowns = true;
  readonly #knows: Knowledge;
  readonly #foresight: Foresight;
  readonly #forecast: Forecast;
  readonly #truths = new Map<string, Truth>();
  readonly #curve = new StayCurve();
  readonly #nextCurve = new StayCurve();

  constructor(name: string, knows: Knowledge, foresight: Foresight, forecast: Forecast) {
    this.name = name;
    this.#knows = knows;
    this.#foresight = foresight;
    this.#forecast = forecast;
  }

  begin(): Seen {
    return { site: null, cameBy: null, sinceMs: 0, ahead: null };
  }

  choose(view: RuleInput, seen: Seen): number {
    const { sites, best, nowMs } = view;
    const site = sites[best]!.id;
    if (site !== seen.site) Object.assign(seen, { site, cameBy: seen.site, sinceMs: nowMs });
    const truth = this.#truthOf(view.vm);
    const stay = stayAt(truth.stays, nowMs);
    if (stay === undefined) return 0;
    const { ahead } = seen;
    if (ahead !== null && ahead.from === sites[0]!.index && (ahead.to === stay.next || ahead.to === stay.site)) {
      // The rule does not give it up because it serves worse until then.
      return Math.max(
        0,
        sites.findIndex(({ index }) => index === ahead.to),
      );
    }
    seen.ahead = null;
    let chosen: Plan | undefined;
    for (let candidate = 1; candidate < sites.length; candidate++) {
      const plan = this.#plan(candidate, view, seen, truth, stay);
      if (plan.readyAtMs < Number.POSITIVE_INFINITY && plan.score > (chosen?.score ?? Number.NEGATIVE_INFINITY))
        chosen = plan;
    }
    if (chosen === undefined) return 0;
    // The move can be ordered now or at the next position: at the one that is nearer to the time when it is due.
    const { readyAtMs } = chosen;
    const isDue = readyAtMs <= nowMs || readyAtMs - nowMs < nextPositionMs(truth.itinerary, nowMs) - readyAtMs;
    if (!isDue) return 0;
    const { candidate } = chosen;
    const [from, to] = [sites[0]!.index, sites[candidate]!.index];
    if (to === stay.next && view.serving[candidate]! >= view.serving[0]!) seen.ahead = { from, to };
    return candidate;
  }

  #plan(candidate: number, view: RuleInput, seen: Seen, truth: Truth, stay: TrueStay): Plan {
    const { serving, nowMs } = view;
    const { policy } = truth.input.settings;
    const gainUserMsPerS = serving[0]! - serving[candidate]!;
    const costUserMs = view.moveCostUserMs(0, candidate);
    const durationMs = view.moveMs(0, candidate);
    const later = this.#knows.site ? this.#later(candidate, view, truth, stay) : NOTHING_LATER;
    if (this.#knows.stay) {
      // A move to a site that is worse until the stay ends is ordered so late that it switches over then.
      const readyAtMs = gainUserMsPerS > 0 ? nowMs : stay.untilMs - durationMs;
      const thisStayUserMs = (Math.max(0, gainUserMsPerS) * Math.max(0, stay.untilMs - nowMs - durationMs)) / 1000;
      const score = thisStayUserMs + later.worthUserMs - costUserMs;
      const pays = score > 0 && thisStayUserMs + later.gainUserMs >= policy.margin * costUserMs;
      return { candidate, score, readyAtMs: pays ? readyAtMs : Number.POSITIVE_INFINITY };
    }
    const never = { candidate, score: 0, readyAtMs: Number.POSITIVE_INFINITY };
    if (gainUserMsPerS <= 0) return never;
    const tagalong = policyNamed('tagalong', policy);
    // What the site is worth later reduces what this stay has to earn.
    const option = { gainUserMsPerS, costUserMs: costUserMs - later.worthUserMs / policy.margin, durationMs };
    if (tagalong.leastGain(option.costUserMs) > gainUserMsPerS) return never;
    const { site, cameBy, sinceMs } = seen;
    const curve = this.#curve;
    const isKnown = this.#forecast.outlook(site!, cameBy, nowMs, curve);
    if (isKnown) curve.begin(nowMs - sinceMs);
    const dwell = { sinceMs, usualMs: view.usualDwellMs };
    const circumstances = { nowMs, dwell, outlook: isKnown ? curve : undefined };
    const readyAtMs = tagalong.readyAtMs(option, circumstances);
    return { candidate, score: tagalong.score(option, circumstances), readyAtMs };
  }

  /** What it is worth in the next stay that the VM is at a candidate, and not at its home, when that stay begins. */
  #later(candidate: number, view: RuleInput, { input, itinerary }: Truth, { site, next }: TrueStay): Later {
    if (next < 0) return NOTHING_LATER;
    const { sites, settings } = input;
    const curve = this.#nextCurve;
    const isKnown = this.#forecast.outlook(sites.list[next]!.id, sites.list[site]!.id, view.nowMs, curve);
    if (!isKnown) curve.hazards.fill(UNKNOWN_HAZARD);
    curve.begin(0);
    const { network, policy } = settings;
    const costUserMs = view.moveCostUserMs(0, candidate);
    const durationMs = view.moveMs(0, candidate);
    const { index } = sites;
    // Users of the next site are taken to be at the site.
    const excessMs = (at: number) => excessRttMs(userRttMs(network, index.betweenKm(at, next), at === next), itinerary);
    const atNextMs = excessMs(next);
    const lossUserMsPerS = (at: number) => view.weight * (excessMs(at) - atNextMs);
    /** What the next stay costs more than from the next site, if a VM that is elsewhere moves there when the forecast advises it. */
    const costsUserMs = (loss: number) => {
      if (loss <= 0) return 0;
      const delayMs = curve.bestDelayMs((costUserMs * 1000) / loss, durationMs, policy.margin);
      const stayedUserMs = (loss * curve.expectedMs(0)) / 1000;
      if (delayMs === Number.POSITIVE_INFINITY) return stayedUserMs;
      // The probability that the users are still there after the delay.
      const lasts = (curve.expectedMs(delayMs) - curve.expectedMs(delayMs + 1000)) / 1000;
      return stayedUserMs - (loss * curve.expectedMs(delayMs + durationMs)) / 1000 + costUserMs * lasts;
    };
    const [home, there] = [lossUserMsPerS(view.sites[0]!.index), lossUserMsPerS(view.sites[candidate]!.index)];
    return {
      worthUserMs: costsUserMs(home) - costsUserMs(there),
      gainUserMs: ((home - there) * curve.expectedMs(0)) / 1000,
    };
  }

  #truthOf(vm: string): Truth {
    let truth = this.#truths.get(vm);
    if (truth === undefined) {
      const itinerary = this.#foresight.itineraries.get(vm)!;
      const input = this.#foresight.inputFor(itinerary.spec);
      truth = { itinerary, input, stays: trueStays(itinerary, input) };
      this.#truths.set(vm, truth);
    }
    return truth;
  }
}
