/** How many records of the audit one caller may cause: otherwise anybody could fill the bus, and push out older records. */
import type { RequestAudited } from '#shared/events/audit-type.ts';

const MINUTE_MS = 60_000;
/** The most records a minute about refused requests of one caller; all callers without a name are one. */
const MOST_REFUSALS = 60;
/** The most records a minute about refused requests of all callers. */
const MOST_REFUSALS_OF_ALL = 300;
/** The most records a minute about orders of one caller. */
const MOST_ORDERS = 600;

/** Counts the records of a minute. */
export interface AuditQuota {
  /** False if there are too many records like this one in this minute. */
  mayAdd(record: Pick<RequestAudited, 'who' | 'outcome'>): boolean;
  /** Ends the minute now. */
  close(): void;
}

/** @param tell called at the end of a minute with the number of records that were left out in it, if there were any */
export function auditQuota(tell: (leftOut: number) => void): AuditQuota {
  let [refusals, leftOut] = [0, 0];
  let timer: NodeJS.Timeout | undefined;
  const byCaller = new Map<string, number>();
  const count = ({ who, outcome }: Pick<RequestAudited, 'who' | 'outcome'>) => {
    const isRefusal = outcome === 'refused';
    const key = `${isRefusal} ${who}`;
    const known = byCaller.get(key) ?? 0;
    if (known >= (isRefusal ? MOST_REFUSALS : MOST_ORDERS)) return false;
    // Checked before the caller is remembered, so that the map is bounded, too.
    if (isRefusal && refusals >= MOST_REFUSALS_OF_ALL) return false;
    if (isRefusal) refusals++;
    byCaller.set(key, known + 1);
    return true;
  };
  const close = () => {
    clearTimeout(timer);
    timer = undefined;
    byCaller.clear();
    const left = leftOut;
    [refusals, leftOut] = [0, 0];
    if (left > 0) tell(left);
  };
  return {
    mayAdd(record) {
      timer ??= setTimeout(close, MINUTE_MS).unref();
      const mayAdd = count(record);
      if (!mayAdd) leftOut++;
      return mayAdd;
    },
    close,
  };
}
