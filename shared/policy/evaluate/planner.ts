/**
 * Plans moves that would share uplinks with moves under way. Two moves at once on one uplink take twice as long each; one after the
 * other, the first takes half. So a move waits for its turn, unless to share costs less than to wait: the others are nearly done,
 * they use another link, or they are long and worth little.
 *
 * Those that wait are in the order of what they gain a second of path time. Nobody keeps a list: each computes its own turn from
 * the moves under way. The turn comes before the uplinks are free, so that the next move is prepared while the last one still
 * copies; the more a move gains a second of path time, the earlier its turn, in steps of 128 ms; VMs of one step follow each other by the hash of
 * their names. So processes that share the VMs agree on the order: VMs of different partitions have turns in different milliseconds,
 * if the number of partitions divides 128, as the usual numbers do. With another number two VMs may have the same turn: then both
 * begin, and share.
 */
import { partitionOf } from '../../events/index.ts';
import { leadMs, type MoveModel } from '../../model/move-model.ts';
import type { Circumstances, Policy } from '../rules/policies.ts';
import type { Pair, Vm } from '../state/state.ts';
import type { SharedPrediction, Traffic } from '../state/traffic.ts';
import { type EstimateSettings, Estimates } from './estimates.ts';
import type { Companion } from './group.ts';
import type { Weighed } from './weighed.ts';

/** Gain in user-milliseconds a second, for each second of path time, at which the turn comes half of the lead before the end. */
const USUAL_RANK = 0.25;
/** A step of turns, in ms. A multiple of the usual numbers of partitions (powers of two). */
const STEP_MS = 128;
/**
 * The assumed cost of a second of delay of an evacuation or of an operator's order, in user-milliseconds: as much as one user who
 * is not served at all. So they come before moves to better sites.
 */
const FORCED_USER_MS_PER_S = 1000;
/** A move that waits is planned again after this time at the latest: moves may end earlier than predicted. */
const LONGEST_WAIT_MS = 30_000;

const NOBODY: readonly Companion[] = [];
/** Shorter differences of durations come from rounding. */
const ROUNDING_MS = 1;

/** The place of a VM within a step of turns, in ms. VMs of different partitions have different ones, if their number divides 128. */
export function slotMs(vm: string): number {
  return partitionOf(vm, STEP_MS);
}

/** The first instant from `atMs` on, in ms since the epoch, at which a VM may have its turn: one in 128 ms. */
export function slotFrom(vm: string, atMs: number): number {
  const placeMs = slotMs(vm);
  return Math.ceil((atMs - placeMs) / STEP_MS) * STEP_MS + placeMs;
}

/** A move, and when it may begin. */
export interface Plan {
  /** With the prediction beside the moves under way. */
  readonly weighed: Weighed;
  /** In ms since the epoch. Later than now: the move waits for its turn. */
  readonly turnMs: number;
}

/** Predicts, prices and plans moves. Owned by one `VmEvaluator`. */
export class MovePlanner {
  readonly estimates: Estimates;
  readonly #traffic: Traffic;
  readonly #model: MoveModel;
  readonly #slowdownUserMsPerS: number;

  constructor(traffic: Traffic, settings: EstimateSettings) {
    this.estimates = new Estimates(settings);
    this.#traffic = traffic;
    this.#model = settings.move;
    this.#slowdownUserMsPerS = settings.policy.slowdownUserMsPerS;
  }

  /**
   * Predicts a move as if no other were under way, and prices it.
   * @param weight sum of the weights of the users
   * @param forced true for evacuations and operators' orders
   */
  weigh({ id: vm, spec }: Vm, pair: Pair, gainUserMsPerS: number, weight: number, forced: boolean): Weighed {
    const alone = this.estimates.predict(spec, pair);
    const costUserMs = this.estimates.costUserMs(pair, alone, weight);
    const urgencyUserMsPerS = Math.max(0, gainUserMsPerS) + (forced ? FORCED_USER_MS_PER_S : 0);
    // Without a spread: this runs for each candidate of each evaluation.
    return {
      vm,
      spec,
      pair,
      weight,
      alone,
      raw: alone,
      option: { gainUserMsPerS, costUserMs, durationMs: alone.durationMs * pair.correction.duration },
      companions: NOBODY,
      urgencyUserMsPerS,
      delayUserMsPerS: urgencyUserMsPerS + this.#slowdownUserMsPerS * weight,
    };
  }

  /** How long the move would have to wait until the uplinks are free, in ms. */
  waitMs({ pair }: Weighed, nowMs: number): number {
    if (!this.#traffic.isBusy(pair)) return 0;
    const freeAtMs = this.#traffic.freeAtMs(pair, nowMs);
    return freeAtMs === Number.POSITIVE_INFINITY ? LONGEST_WAIT_MS : Math.max(0, freeAtMs - this.#leadMs(pair) - nowMs);
  }

  /** The policy's score of a move that ends later by its wait for the uplinks. */
  score(policy: Policy, weighed: Weighed, circumstances: Circumstances): number {
    const { option } = weighed;
    const waitMs = this.waitMs(weighed, circumstances.nowMs);
    return policy.score(waitMs === 0 ? option : { ...option, durationMs: option.durationMs + waitMs }, circumstances);
  }

  /** When the move's turn comes, if it does not share uplinks, in ms since the epoch; -Infinity: it need not wait. */
  turnMs({ vm, pair, option, delayUserMsPerS }: Weighed, nowMs: number): number {
    if (!this.#traffic.isBusy(pair)) return Number.NEGATIVE_INFINITY;
    const rank = (delayUserMsPerS * 1000) / option.durationMs;
    const aheadMs = (this.#leadMs(pair) * rank) / (rank + USUAL_RANK);
    const steps = Math.floor(aheadMs / STEP_MS);
    const turnMs = slotFrom(vm, this.#traffic.freeAtMs(pair, nowMs) - steps * STEP_MS);
    return Math.min(turnMs, slotFrom(vm, nowMs + LONGEST_WAIT_MS));
  }

  /** When a move that does not begin now is planned again, in ms since the epoch: in its turn, or after a while. */
  retryMs(weighed: Weighed, nowMs: number): number {
    const turnMs = this.turnMs(weighed, nowMs);
    return turnMs > nowMs ? turnMs : slotFrom(weighed.vm, nowMs + LONGEST_WAIT_MS);
  }

  /** Notes that the move waits for its turn. */
  wait({ vm, pair }: Weighed, nowMs: number): void {
    this.#traffic.wait(vm, pair, nowMs);
  }

  /** Predicts and prices the move beside those under way. */
  beside(weighed: Weighed, nowMs: number): Weighed {
    const { pair, spec, alone } = weighed;
    if (!this.#traffic.isBusy(pair)) return weighed;
    // The others have sent everything before this move sends its first byte.
    if (this.#traffic.allSentMs(pair, nowMs) <= nowMs + this.#leadMs(pair)) return weighed;
    const shared = this.#traffic.predict(pair, spec, nowMs);
    // The same figures as without traffic, to the last digit: the end of a move that shares nothing may be known here, and not yet there.
    const sharesNothing = shared.delayUserMs === 0 && Math.abs(shared.move.durationMs - alone.durationMs) < ROUNDING_MS;
    return sharesNothing ? weighed : this.#priced(weighed, shared);
  }

  /**
   * Plans a move: now, shared or not, or in its turn. Where the others fill the uplinks, and these are free before the move would be done
   * alone, it waits: the others end later if it shares, and it ends no earlier. Only another move is predicted beside the others, which
   * takes longer than all the rest.
   */
  plan(weighed: Weighed, nowMs: number): Plan {
    const turnMs = this.turnMs(weighed, nowMs);
    if (turnMs > nowMs && this.#waitsInAnyCase(weighed, nowMs)) return { weighed, turnMs };
    const beside = this.beside(weighed, nowMs);
    if (!beside.raw.converges) return { weighed: beside, turnMs: this.retryMs(weighed, nowMs) };
    if (turnMs > nowMs && this.#lossBySharing(weighed, beside) >= this.#lossByWaiting(weighed, nowMs)) {
      return { weighed: beside, turnMs };
    }
    return { weighed: beside, turnMs: nowMs };
  }

  #waitsInAnyCase(weighed: Weighed, nowMs: number): boolean {
    // A move that is late may end at any moment: to wait costs nothing.
    const isLate = this.#traffic.freeAtMs(weighed.pair, nowMs) === Number.POSITIVE_INFINITY;
    return (
      isLate || (this.waitMs(weighed, nowMs) <= weighed.option.durationMs && this.#traffic.isFull(weighed.pair, nowMs))
    );
  }

  /** The cost of the time that the move loses beside others, and that they lose, in user-milliseconds. */
  #lossBySharing({ option: alone, urgencyUserMsPerS }: Weighed, { option: beside }: Weighed): number {
    const laterMs = beside.durationMs - alone.durationMs;
    return beside.costUserMs - alone.costUserMs + (laterMs / 1000) * urgencyUserMsPerS;
  }

  #lossByWaiting(weighed: Weighed, nowMs: number): number {
    return (this.waitMs(weighed, nowMs) / 1000) * weighed.urgencyUserMsPerS;
  }

  #priced(weighed: Weighed, { move: raw, delayUserMs }: SharedPrediction): Weighed {
    const { pair, weight, option, alone } = weighed;
    const laterMs = (raw.durationMs - alone.durationMs) * pair.correction.duration;
    const { estimates } = this;
    const moreUserMs = estimates.costUserMs(pair, raw, weight) - estimates.costUserMs(pair, alone, weight);
    const costUserMs = option.costUserMs + moreUserMs + delayUserMs;
    return { ...weighed, raw, option: { ...option, costUserMs, durationMs: option.durationMs + laterMs } };
  }

  #leadMs({ paths, rttMs }: Pair): number {
    return leadMs(this.#model, paths.length, rttMs);
  }
}
