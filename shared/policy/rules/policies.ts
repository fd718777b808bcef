/**
 * When a better site is worth a move. A policy is a pure rule over what a look found; everything around it (filters,
 * states, limits, pauses after a move) is the same for all, live and in simulation.
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

/** What a policy may use beside the option itself. */
export interface Circumstances {
  readonly nowMs: number;
  /** The users' stay where the site that serves best now does so. */
  readonly dwell: Dwell;
}

export interface Policy {
  readonly name: string;
  /** Smallest gain for which a move with this cost could ever be worth it; below it the VM is settled. */
  leastGain(costUserMs: number): number;
  /** The instant from which the move would be right, if everything stayed as it is. */
  readyAtMs(option: Option, circumstances: Circumstances): number;
  /** Which of several legal sites to prefer: the highest. */
  score(option: Option, circumstances: Circumstances): number;
  /** False: no pause after a move. */
  readonly hasCooldowns: boolean;
}

export interface PolicyTuning {
  readonly dwellMs: number;
  readonly margin: number;
}

/** A gain that takes longer than this to pay for the move is not pursued. */
const LONGEST_PAYBACK_S = 3600;

/** A stay that has lasted so many times as long as usual is no usual one. */
const HABIT_BROKEN = 1.5;

/**
 * Time the users are expected to remain from now on: the rest of their usual stay; once that is clearly exceeded, as
 * long again as they have been there.
 */
export function expectedDwellMs({ nowMs, dwell: { sinceMs, usualMs } }: Circumstances): number {
  const beenMs = nowMs - sinceMs;
  return beenMs >= HABIT_BROKEN * usualMs ? beenMs : Math.max(0, usualMs - beenMs);
}

/** What a move is worth: the gain over the time the users are expected to stay after it has finished. */
export function benefitUserMs(option: Option, circumstances: Circumstances): number {
  return (option.gainUserMsPerS * Math.max(0, expectedDwellMs(circumstances) - option.durationMs)) / 1000;
}

/**
 * The default. A move is ordered when the better site has lasted for the dwell time and the gain over the expected stay,
 * counted from the end of the move, exceeds the cost by the margin. Where the users' habits promise less, it waits
 * until they have been there long enough to prove otherwise: the ski-rental rule (Karlin et al., Algorithmica 3, 1988).
 */
function tagalong({ dwellMs, margin }: PolicyTuning): Policy {
  return {
    name: 'tagalong',
    hasCooldowns: true,
    leastGain: (costUserMs) => (margin * costUserMs) / LONGEST_PAYBACK_S,
    score: (option, circumstances) => benefitUserMs(option, circumstances) - option.costUserMs,
    readyAtMs({ durationMs, costUserMs, gainUserMsPerS }, { nowMs, dwell: { sinceMs, usualMs } }) {
      // How long they have to stay after the order for the move to be worth it.
      const payingMs = durationMs + (margin * costUserMs * 1000) / gainUserMsPerS;
      const beenMs = Math.max(dwellMs, nowMs - sinceMs);
      if (usualMs - beenMs >= payingMs) return sinceMs + dwellMs;
      return sinceMs + Math.ceil(Math.max(dwellMs, payingMs, HABIT_BROKEN * usualMs));
    },
  };
}

/** Goes wherever it is better, at once and at any cost: "always" in the literature. */
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

export const POLICY_NAMES = Object.keys(POLICIES);

/** @throws TagalongError POLICY_UNKNOWN */
export function policyNamed(name: string, tuning: PolicyTuning): Policy {
  const make = Object.hasOwn(POLICIES, name) ? POLICIES[name] : undefined;
  if (make === undefined) {
    throw new TagalongError('POLICY_UNKNOWN', `policy "${name}" is not known; there are ${POLICY_NAMES.join(', ')}`);
  }
  return make(tuning);
}
