/** A candidate with the prediction and the price of a move there, and the choice that is made of it. */
import type { Prediction, VmSpec } from '../../events/index.ts';
import type { PredictedMove } from '../../model/move-model.ts';
import { benefitUserMs, type Circumstances, type Option } from '../rules/policies.ts';
import type { Pair, Vm } from '../state/state.ts';
import type { Proposal } from './filters.ts';
import type { Companion } from './group.ts';

/** A site that passed all filters, with the prediction of a move there. */
export interface Choice {
  readonly from: string;
  readonly site: string;
  readonly reason: string;
  readonly prediction: Prediction;
  /** The prediction of the move alone, before the pair's correction. */
  readonly raw: Pick<Prediction, 'durationMs' | 'interruptionMs'>;
  /** Ids of the paths that the move would use. */
  readonly paths: readonly string[];
}

/** A candidate with the prediction and the price of a move there. */
export interface Weighed {
  readonly vm: string;
  readonly spec: VmSpec;
  readonly pair: Pair;
  /** Sum of the weights of the VM's users. */
  readonly weight: number;
  /** The prediction as if no other move were under way, before the pair's correction. */
  readonly alone: PredictedMove;
  /** The prediction before the pair's correction: alone, or beside the moves under way. */
  readonly raw: PredictedMove;
  /** With the VMs that go along: the cost of all moves, and the time until the last one has ended. */
  readonly option: Option;
  readonly companions: readonly Companion[];
  /** The cost of each second by which the move ends later, in user-milliseconds: the gain, and more where the move is forced. */
  readonly urgencyUserMsPerS: number;
  /** The users' cost of a second of delay, in user-milliseconds: the urgency, and that the move slows the VM down. */
  readonly delayUserMsPerS: number;
}

/** The prediction of the move, as it is published. */
export function predictionOf(
  { pair, raw, option, delayUserMsPerS }: Weighed,
  circumstances: Circumstances,
): Prediction {
  return {
    durationMs: raw.durationMs * pair.correction.duration,
    interruptionMs: raw.interruptionMs * pair.correction.interruption,
    bytes: raw.bytes,
    costUserMs: option.costUserMs,
    benefitUserMs: benefitUserMs(option, circumstances),
    delayUserMsPerS,
  };
}

/** The site of a weighed move, chosen. @param reason as it is published */
export function choiceOf(weighed: Weighed, circumstances: Circumstances, reason: string): Choice {
  const { pair, alone } = weighed;
  return {
    from: pair.from.id,
    site: pair.to.id,
    reason,
    paths: pair.paths.map((path) => path.id),
    raw: { durationMs: alone.durationMs, interruptionMs: alone.interruptionMs },
    prediction: predictionOf(weighed, circumstances),
  };
}

/** The move as the filters check it. */
export function proposalOf(vm: Vm, { pair, raw, companions }: Weighed, nowMs: number): Proposal {
  return { vm, pair, predicted: raw, companions, nowMs };
}
