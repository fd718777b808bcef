/** Weighs single moves of the VM that the scan has scanned: predicts and prices a move, filters it, and gives it its turn. */
import type { Circumstances, Option } from '../rules/policies.ts';
import { dwellAt } from '../state/dwell-times.ts';
import type { EndedStays } from '../state/ended-stays.ts';
import type { Forecast } from '../state/forecast.ts';
import type { Site, Vm } from '../state/state.ts';
import { StayCurve } from '../state/stay-curve.ts';
import type { DecisionSource } from '../state/vm-context.ts';
import type { CandidateScan } from './candidate-scan.ts';
import type { Advice } from './evaluation.ts';
import { type FilterName, type FilterSettings, refusal } from './filters.ts';
import type { Groups } from './group.ts';
import type { MovePlanner } from './planner.ts';
import { choiceOf, proposalOf, type Weighed } from './weighed.ts';

/** The reason of a move that waits for its turn: the same as of one that the limit of its paths refuses. */
export const WAITS: FilterName = 'path-busy';

/** The forecast of stays, which an evaluator reads, and the ended stays, to which it adds. */
export interface StayKnowledge {
  readonly forecast: Forecast;
  readonly ended: EndedStays;
}

/** Owned by one `VmEvaluator`. */
export class MoveWeigher {
  readonly #scan: CandidateScan;
  readonly #planner: MovePlanner;
  readonly #groups: Groups;
  readonly #filters: FilterSettings;
  readonly #stays: StayKnowledge;
  readonly #curve = new StayCurve();

  constructor(
    scan: CandidateScan,
    planner: MovePlanner,
    groups: Groups,
    filters: FilterSettings,
    stays: StayKnowledge,
  ) {
    this.#scan = scan;
    this.#planner = planner;
    this.#groups = groups;
    this.#filters = filters;
    this.#stays = stays;
  }

  /** Predicts a move and prices it, with those of the VMs that go along, as if no other were under way. */
  weigh(vm: Vm, to: Site, gainUserMsPerS: number, forced = false): Weighed {
    const pair = this.#filters.sites.pair(vm.home, to);
    const weighed = this.#planner.weigh(vm, pair, gainUserMsPerS, this.#scan.weight, forced);
    const companions = this.#groups.companions(vm, pair);
    if (companions.length === 0) return weighed;
    const more = this.#groups.priceOf(companions, pair, this.#scan.weight);
    const costUserMs = weighed.option.costUserMs + more.costUserMs;
    const durationMs = weighed.option.durationMs + more.durationMs;
    return { ...weighed, companions, option: { gainUserMsPerS, costUserMs, durationMs } };
  }

  /** The filter that refuses a move; undefined: none does. */
  rejected(vm: Vm, weighed: Weighed, nowMs: number, source: DecisionSource): string | undefined {
    if (weighed.pair.to === vm.home) return 'already-there';
    return refusal(proposalOf(vm, weighed, nowMs), this.#filters, source);
  }

  /** The facts about the present stay that the policy reads. */
  circumstances({ best, bestSinceMs, cameBy, dwellTimes }: Vm, nowMs: number): Circumstances {
    const curve = this.#curve;
    const known = best !== null && this.#stays.forecast.outlook(best, cameBy, this.#stays.ended.nowMs, curve);
    if (known) curve.begin(Math.max(0, nowMs - bestSinceMs));
    return { nowMs, dwell: dwellAt(dwellTimes, best, bestSinceMs, this.#scan), outlook: known ? curve : undefined };
  }

  /** Once a move is ready, it waits for its turn on the uplinks, or shares them if it is also ready at the price that it then has. */
  inTurn(chosen: Weighed, readyAt: (option: Option) => number, circumstances: Circumstances): Advice {
    const reason = 'better-site';
    const { nowMs } = circumstances;
    const readyAtMs = readyAt(chosen.option);
    if (nowMs < readyAtMs) return { kind: 'move', reason, readyAtMs };
    const { weighed, turnMs } = this.#planner.plan(chosen, nowMs);
    if (turnMs > nowMs || (weighed !== chosen && readyAt(weighed.option) > nowMs)) {
      this.#planner.wait(chosen, nowMs);
      return { kind: 'blocked', reason: WAITS, turnMs: turnMs > nowMs ? turnMs : this.#planner.retryMs(chosen, nowMs) };
    }
    return { kind: 'move', reason, choice: choiceOf(weighed, circumstances, reason), readyAtMs };
  }
}
