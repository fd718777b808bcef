import type { VmSpec } from '../../events/index.ts';
import type { RuleInput } from '../rules/published/rule.ts';
import type { SiteTable } from '../state/sites.ts';
import type { Pair, Site, Vm } from '../state/state.ts';
import type { CandidateScan } from './candidate-scan.ts';
import type { Estimates } from './estimates.ts';

/** The input of a rule, from the last scan. One object is reused, because rules run at every position. */
export class ReusedRuleInput implements RuleInput {
  vm = '';
  nowMs = 0;
  best = 0;
  usualDwellMs = 0;
  readonly sites: readonly Site[];
  readonly serving: readonly number[];
  readonly #scan: CandidateScan;
  readonly #table: SiteTable;
  readonly #estimates: Estimates;
  #spec: VmSpec | undefined;

  constructor(scan: CandidateScan, table: SiteTable, estimates: Estimates) {
    this.sites = scan.candidates;
    this.serving = scan.serving;
    this.#scan = scan;
    this.#table = table;
    this.#estimates = estimates;
  }

  /** Sets the VM. Call it directly after the scan of that VM. */
  fill({ id, spec }: Vm, nowMs: number, usualDwellMs: number): this {
    this.vm = id;
    this.nowMs = nowMs;
    this.best = this.#scan.best();
    this.usualDwellMs = usualDwellMs;
    this.#spec = spec;
    return this;
  }

  get weight(): number {
    return this.#scan.weight;
  }

  moveCostUserMs(from: number, to: number): number {
    if (from === to) return 0;
    const pair = this.#pair(from, to);
    return this.#estimates.costUserMs(pair, this.#estimates.predict(this.#spec!, pair), this.#scan.weight);
  }

  moveMs(from: number, to: number): number {
    if (from === to) return 0;
    const pair = this.#pair(from, to);
    return this.#estimates.predict(this.#spec!, pair).durationMs * pair.correction.duration;
  }

  km(from: number, to: number): number {
    return this.#table.index.betweenKm(this.sites[from]!.index, this.sites[to]!.index);
  }

  #pair(from: number, to: number): Pair {
    return this.#table.pair(this.sites[from]!, this.sites[to]!);
  }
}
