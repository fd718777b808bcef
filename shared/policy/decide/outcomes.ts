import type { Implausible } from '../../geo/plausibility.ts';

/** The outcome of a location event: why it did not count, or its effect. A label of metrics. */
export type LocationOutcome =
  | Implausible
  | 'quiet' // it counts, and nothing could change
  | 'looked' // it counts, and the VM was evaluated
  | 'unknown-vm'
  | 'unattached';

/** Counts location events by outcome. */
export class Outcomes {
  readonly #counts = new Map<LocationOutcome, number>();
  /** Quiet events not in the map yet. Nearly all events are quiet, and updating a map takes half as long as all the rest. */
  #quiet = 0;

  get counts(): Map<LocationOutcome, number> {
    const quiet = this.#quiet;
    this.#quiet = 0;
    if (quiet > 0) this.#counts.set('quiet', (this.#counts.get('quiet') ?? 0) + quiet);
    return this.#counts;
  }

  /** Counts an outcome. @returns the same outcome */
  count<Outcome extends LocationOutcome>(outcome: Outcome): Outcome {
    if (outcome === 'quiet') this.#quiet++;
    else this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    return outcome;
  }
}
