import type { Implausible } from '../geo/plausibility.ts';

/** What became of a location event. */
export type LocationOutcome =
  | Implausible
  | 'quiet' // counted, and nothing could have changed
  | 'looked' // counted, and the VM was looked at
  | 'unknown-vm'
  | 'unattached';
