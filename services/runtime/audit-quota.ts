/** How many records of the audit one caller may cause: otherwise anybody could fill the bus, and push out older records. */
import type { RequestAudited } from '#shared/events/audit-type.ts';

const MINUTE_MS = 60_000;
/** The most records a minute about refused requests of one caller; all callers without a name are one. */
const MOST_REFUSALS = 60;
/** The most records a minute about refused requests of all callers. */
const MOST_REFUSALS_OF_ALL = 300;
/** The most records a minute about orders of one caller. */
const MOST_ORDERS = 600;

type Counted = Pick<RequestAudited, 'who' | 'role' | 'outcome'>;
/** The requests of one caller with one outcome that have no record. `several`: all callers that have no record at all in the minute. */
export type LeftOut = Counted & Required<Pick<RequestAudited, 'leftOut'>>;

/** Counts the records of a minute. */
export interface AuditQuota {
  /** False if there are too many records like this one in this minute. */
  mayAdd(record: Counted): boolean;
  /** Ends the minute now. */
  close(): void;
}

/** @param tell called at the end of a minute for each caller and outcome of which records were left out in it */
export function auditQuota(tell: (left: LeftOut) => void): AuditQuota {
  let refusals = 0;
  let timer: NodeJS.Timeout | undefined;
  const byCaller = new Map<string, number>();
  const leftOut = new Map<string, LeftOut>();
  const count = ({ who, outcome }: Counted) => {
    const isRefusal = outcome === 'refused';
    const key = keyOf({ who, outcome });
    const known = byCaller.get(key) ?? 0;
    if (known >= (isRefusal ? MOST_REFUSALS : MOST_ORDERS)) return false;
    // Checked before the caller is remembered, so that the map is bounded, too.
    if (isRefusal && refusals >= MOST_REFUSALS_OF_ALL) return false;
    if (isRefusal) refusals++;
    byCaller.set(key, known + 1);
    return true;
  };
  const leave = ({ who, role, outcome }: Counted) => {
    // The number of callers that have a record is bounded.
    const counted = byCaller.has(keyOf({ who, outcome })) ? { who, role, outcome } : { ...SEVERAL, outcome };
    const key = `${outcome} ${counted.who}`;
    leftOut.set(key, { ...counted, leftOut: (leftOut.get(key)?.leftOut ?? 0) + 1 });
  };
  const close = () => {
    clearTimeout(timer);
    timer = undefined;
    byCaller.clear();
    refusals = 0;
    const all = [...leftOut.values()];
    leftOut.clear();
    for (const left of all) tell(left);
  };
  return {
    mayAdd(record) {
      timer ??= setTimeout(close, MINUTE_MS).unref();
      const mayAdd = count(record);
      if (!mayAdd) leave(record);
      return mayAdd;
    },
    close,
  };
}

const SEVERAL = { who: 'several', role: 'none' } as const;

/** Orders and refusals of a caller are counted apart. */
function keyOf({ who, outcome }: Pick<Counted, 'who' | 'outcome'>): string {
  return `${outcome === 'refused'} ${who}`;
}
