/**
 * When a better site is worth a move. A policy is a pure rule over the result of a scan; filters, states, limits and cooldowns
 * around it are the same for all policies, live and in simulation.
 */
import { TagalongError } from '../../errors.ts';
import type { Dwell } from '../state/dwell-times.ts';

/** A site that passed every filter and serves better than the home, as a policy sees it. */
export interface Option {
  /** How much less it costs to serve the users from there, in user-milliseconds a second. */
  readonly gainUserMsPerS: number;
  /** What moving there costs once, in user-milliseconds. */
  readonly costUserMs: number;
  readonly durationMs: number;
}

/** What a policy may use beside the option itself. Times in ms since the epoch. */
export interface Circumstances {
  readonly nowMs: number;
  /** The users' stay where the site that serves best now does so. */
  readonly dwell: Dwell;
}

/** A rule that decides when a move to one option is right. */
export interface Policy {
  readonly name: string;
  /** Smallest gain (user-ms a second) for which a move at this cost can ever be worth it; below it the VM is settled. */
  leastGain(costUserMs: number): number;
  /** When the move becomes right, if nothing else changes; Infinity: never. */
  readyAtMs(option: Option, circumstances: Circumstances): number;
  /** The site with the highest score is preferred. */
  score(option: Option, circumstances: Circumstances): number;
  /** False: no cooldown after a move, and no hourly budget. */
  readonly hasCooldowns: boolean;
}

/** Settings of policies: the least dwell time in ms, and how many times its cost a move has to gain. */
export interface PolicyTuning {
  readonly dwellMs: number;
  readonly margin: number;
}

/** Longest payback in seconds: a gain that takes longer to pay for the move is not pursued. */
const LONGEST_PAYBACK_S = 3600;

/** A dwell that has lasted this many times the usual one follows no habit. */
const HABIT_BROKEN = 1.5;

/**
 * How long the users are expected to stay from now on, in ms: usualMs - beenMs, at least 0; from beenMs ≥ 1.5 × usualMs on, beenMs
 * again (the longer a stay has lasted, the longer it is expected to go on).
 */
export function expectedDwellMs({ nowMs, dwell: { sinceMs, usualMs } }: Circumstances): number {
  const beenMs = nowMs - sinceMs;
  return beenMs >= HABIT_BROKEN * usualMs ? beenMs : Math.max(0, usualMs - beenMs);
}

/** The benefit of a move in user-ms: gain × max(0, expected dwell - duration) / 1000, counted from the end of the move. */
export function benefitUserMs(option: Option, circumstances: Circumstances): number {
  return (option.gainUserMsPerS * Math.max(0, expectedDwellMs(circumstances) - option.durationMs)) / 1000;
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
    readyAtMs({ durationMs, costUserMs, gainUserMsPerS }, { nowMs, dwell: { sinceMs, usualMs } }) {
      // How long the users have to stay after the order to make the move worth it.
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

/** DwellTimes, unless the home is lost. */
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
    throw new TagalongError('POLICY_UNKNOWN', `policy "${name}" is not known; there are ${POLICY_NAMES.join(', ')}`);
  }
  return make(tuning);
}
