/**
 * Policies: rules that decide when a better site is worth a move. A policy is a pure function of the result of a scan. Filters,
 * states, limits and cooldowns are the same for all policies, live and in simulation.
 */
import { TagalongError } from '../../errors.ts';
import type { Dwell } from '../state/dwell-times.ts';
import { HORIZON_MS, type StayCurve } from '../state/stay-curve.ts';

/** The input of a policy about one site that serves better than the home: gain, price and duration of a move there. */
export interface Option {
  /** The saving if the users are served from there, in user-milliseconds a second. */
  readonly gainUserMsPerS: number;
  /** The price of the move, in user-milliseconds. */
  readonly costUserMs: number;
  readonly durationMs: number;
}

/** The input of a policy beside the option. Times in ms since the epoch. */
export interface Circumstances {
  readonly nowMs: number;
  /** The dwell at the site that serves best now. */
  readonly dwell: Dwell;
  /** The forecast of this stay, learned from all users; undefined: it does not know the site. */
  readonly outlook?: StayCurve | undefined;
}

/** A rule that decides when to move to an option. */
export interface Policy {
  readonly name: string;
  /** Smallest gain (user-ms a second) for which a move at this cost can be worth it; with less the VM is settled. */
  leastGain(costUserMs: number): number;
  /** When the move is due if nothing else changes; Infinity: never. */
  readyAtMs(option: Option, circumstances: Circumstances): number;
  /** The score of an option. The option with the highest score is chosen. */
  score(option: Option, circumstances: Circumstances): number;
  /** False: no cooldown after a move, and no hourly budget. */
  readonly hasCooldowns: boolean;
}

/** Settings of policies: the least dwell time in ms, and the least ratio of a move's benefit to its cost. */
export interface PolicyTuning {
  readonly dwellMs: number;
  readonly margin: number;
}

/** Longest payback in seconds: a gain that takes longer to pay for the move is not pursued. */
const LONGEST_PAYBACK_S = HORIZON_MS / 1000;

/** A dwell that has lasted this many times the usual one no longer follows the habit. */
const HABIT_BROKEN = 1.5;

/**
 * The expected time that the users stay from now on, in ms, by the forecast. Without one: usualMs - beenMs, at least 0; from
 * beenMs ≥ 1.5 × usualMs on, beenMs again (the longer a stay has lasted, the longer it is expected to go on).
 */
export function expectedDwellMs({ nowMs, dwell: { sinceMs, usualMs }, outlook }: Circumstances): number {
  if (outlook !== undefined) return outlook.expectedMs(0);
  const beenMs = nowMs - sinceMs;
  return beenMs >= HABIT_BROKEN * usualMs ? beenMs : Math.max(0, usualMs - beenMs);
}

/**
 * The benefit of a move in user-ms, counted from its end: gain / 1000 × the time expected to be stayed after it, by the forecast;
 * without one × max(0, expected dwell - duration).
 */
export function benefitUserMs({ gainUserMsPerS, durationMs }: Option, circumstances: Circumstances): number {
  const { outlook } = circumstances;
  const afterMs = outlook?.expectedMs(durationMs) ?? Math.max(0, expectedDwellMs(circumstances) - durationMs);
  return (gainUserMsPerS * afterMs) / 1000;
}

/**
 * The default policy. A move is ordered when the better site has lasted for `dwellMs` and the benefit is at least `margin` times
 * the cost. Where the learned dwell time promises less, it waits until the users have stayed for
 * durationMs + margin × costUserMs / gain: the ski-rental rule (A. R. Karlin et al., Competitive Snoopy Caching, Algorithmica 3,
 * 1988), which proves the stay instead of predicting it.
 */
function tagalong({ dwellMs, margin }: PolicyTuning): Policy {
  return {
    name: 'tagalong',
    hasCooldowns: true,
    leastGain: (costUserMs) => (margin * costUserMs) / LONGEST_PAYBACK_S,
    score: (option, circumstances) => benefitUserMs(option, circumstances) - option.costUserMs,
    readyAtMs({ durationMs, costUserMs, gainUserMsPerS }, { nowMs, dwell: { sinceMs, usualMs }, outlook }) {
      if (outlook !== undefined) {
        const delayMs = outlook.bestDelayMs((costUserMs * 1000) / gainUserMsPerS, durationMs, margin);
        return Math.max(sinceMs + dwellMs, nowMs + Math.ceil(Math.min(delayMs, HORIZON_MS)));
      }
      // The time for which the users have to stay after the order to make the move worth its cost.
      const payingMs = durationMs + (margin * costUserMs * 1000) / gainUserMsPerS;
      const beenMs = Math.max(dwellMs, nowMs - sinceMs);
      if (usualMs - beenMs >= payingMs) return sinceMs + dwellMs;
      return sinceMs + Math.ceil(Math.max(dwellMs, payingMs, HABIT_BROKEN * usualMs));
    },
  };
}

/** Moves to the best site at once and at any cost: "always migrate" in the literature. */
const nearest: Policy = {
  name: 'nearest',
  hasCooldowns: false,
  leastGain: () => 0,
  score: ({ gainUserMsPerS }) => gainUserMsPerS,
  readyAtMs: (_, { nowMs }) => nowMs,
};

/** Never moves to a better site. Evacuations of a lost home still happen. */
const never: Policy = {
  name: 'never',
  hasCooldowns: true,
  leastGain: () => Number.POSITIVE_INFINITY,
  score: () => 0,
  readyAtMs: () => Number.POSITIVE_INFINITY,
};

const POLICIES: Record<string, (tuning: PolicyTuning) => Policy> = {
  tagalong,
  nearest: () => nearest,
  never: () => never,
};

/** Names of the policies of this file. */
export const POLICY_NAMES = Object.keys(POLICIES);

/** The policy of that name. @throws TagalongError POLICY_UNKNOWN */
export function policyNamed(name: string, tuning: PolicyTuning): Policy {
  const make = Object.hasOwn(POLICIES, name) ? POLICIES[name] : undefined;
  if (make === undefined) {
    throw new TagalongError(
      'POLICY_UNKNOWN',
      `policy "${name}" is not known; choose one of ${POLICY_NAMES.join(', ')}`,
    );
  }
  return make(tuning);
}
