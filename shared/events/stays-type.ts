/** The schema of counted stays. `types.ts` lists all event types. */
import Type from 'typebox';
import { AtMs, Count, MAX_STAY_COUNTS, Name, Partition, StayBin, Stays } from './bounds.ts';

const closed = { additionalProperties: false } as const;

/** The stays of users at sites that one placement learned from the VMs of one partition in one period (`shared/policy/state/forecast.ts`). */
export const StaysCounted = Type.Object(
  {
    partition: Partition,
    /** Number of the period since the epoch. */
    period: Count,
    /** When the period was over. */
    atMs: AtMs,
    /** So many stays at a site, by the site before (left out: none is known) and the bin of their length. */
    counts: Type.Array(
      Type.Object(
        {
          site: Name,
          from: Type.Optional(Name),
          bin: StayBin,
          stays: Stays,
        },
        closed,
      ),
      { maxItems: MAX_STAY_COUNTS },
    ),
  },
  closed,
);
