import type { Implausible } from '../../geo/plausibility.ts';

/** What became of a location event; a label of metrics. */
export type LocationOutcome =
  | Implausible
  | 'quiet' // counted, and nothing could have changed
  | 'looked' // counted, and the VM was evaluated
  | 'unknown-vm'
  | 'unattached';

/** Counts location events by outcome. */
export class Outcomes {
  readonly #counts = new Map<LocationOutcome, number>();
  /** Quiet events that are not in the map yet: nearly all are quiet, and updating a map would take half as long as the rest. */
  #quiet = 0;

  get counts(): Map<LocationOutcome, number> {
    const quiet = this.#quiet;
    this.#quiet = 0;
    if (quiet > 0) this.#counts.set('quiet', (this.#counts.get('quiet') ?? 0) + quiet);
    return this.#counts;
  }

  /** @returns what it counted */
  count<Outcome extends LocationOutcome>(outcome: Outcome): Outcome {
    if (outcome === 'quiet') this.#quiet++;
    else this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    return outcome;
  }
}
