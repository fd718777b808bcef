/**
 * Presence: whether a silent user counts as gone. Some sources report at an interval while a user is there; others report only when the
 * user arrives or leaves. If a source states its kind, this counts. For all other sources the interval of each user is learned.
 */
import type { Absence, Data } from '../../events/index.ts';

/** The meaning of silence after a report (`LocationReported` in `shared/events/types.ts`). */
export type Presence = NonNullable<Data<'location.reported.v1'>['presence']>;

/** All values of a presence. */
export const PRESENCES = ['periodic', 'arrived', 'left'] as const satisfies readonly Presence[];

/** The habit of a user's source of reports. It is stored with the session as JSON. */
export interface Reporting {
  /** The presence of the last report that counted; null if it had none. */
  presence: Presence | null;
  /**
   * The smoothed interval between the user's reports, in whole ms; -1 if it is unknown. Each position overwrites it, and whole numbers
   * can be overwritten in place.
   */
  intervalMs: number;
}

/** The part of a session with a user's reporting and last report. */
type Heard = Reporting & { readonly track: { readonly atMs: number } };

/** The weight of the newest interval in the exponential average. */
const NEWEST_WEIGHT = 0.2;
/**
 * A user counts as gone after a silence of this many intervals. If reports come at random (a Poisson process), one interval in twenty is
 * longer than three times the mean (e⁻³).
 */
const SILENT_INTERVALS = 3;
/** Of several reports at the same instant, the presence with the highest rank counts, whatever the order of the reports. */
const RANK: Readonly<Record<Presence, number>> = { periodic: 1, arrived: 2, left: 3 };

/** The reporting of a user without a report. */
export function newReporting(): Reporting {
  return { presence: null, intervalMs: -1 };
}

/**
 * Applies a report that counts. Call it before the track advances to the report.
 * @param sessionTimeoutMs a longer silence was an absence, so it does not count as an interval
 * @returns true if the presence has changed
 */
export function updateReporting(
  session: Heard,
  { atMs, presence }: { readonly atMs: number; readonly presence?: Presence },
  sessionTimeoutMs: number,
): boolean {
  const passedMs = session.track.atMs < 0 ? 0 : atMs - session.track.atMs;
  const before = session.presence;
  const isSteady = before !== 'arrived' && before !== 'left' && presence !== 'arrived' && presence !== 'left';
  if (isSteady && passedMs > 0 && passedMs < sessionTimeoutMs) {
    const { intervalMs } = session;
    session.intervalMs =
      intervalMs < 0 ? Math.round(passedMs) : Math.round(intervalMs + NEWEST_WEIGHT * (passedMs - intervalMs));
  }
  session.presence = presence ?? null;
  return session.presence !== before;
}

/** Applies the presence of a report at the same instant as the last one. @returns true if it has a higher rank, and so counts */
export function saysMore(session: Pick<Reporting, 'presence'>, presence: Presence | undefined): boolean {
  const known = session.presence;
  if (presence === undefined || (known !== null && RANK[presence] <= RANK[known])) return false;
  session.presence = presence;
  return true;
}

/**
 * Until when a user without a further report counts as present, in ms since the epoch: for ever after `arrived`, not at all after `left`,
 * otherwise for three of the user's intervals. If the interval is unknown, the session time-out counts.
 */
export function presentUntilMs({ presence, intervalMs, track }: Heard, sessionTimeoutMs: number): number {
  if (presence === 'arrived') return Number.POSITIVE_INFINITY;
  if (presence === 'left') return track.atMs;
  return track.atMs + (intervalMs < 0 ? sessionTimeoutMs : Math.min(SILENT_INTERVALS * intervalMs, sessionTimeoutMs));
}

/** Until when a user without a further report counts as active, in ms since the epoch: like above, but always by the session time-out. */
export function activeUntilMs(presence: Presence | null, atMs: number, sessionTimeoutMs: number): number {
  if (presence === 'arrived') return Number.POSITIVE_INFINITY;
  return presence === 'left' ? atMs : atMs + sessionTimeoutMs;
}

/**
 * Since when, and why, the users of a VM count as gone. It describes the user who counts as present for the longest time, among the active
 * users if there are any; undefined if no user has a position.
 */
export function absenceOf(
  sessions: readonly (Heard & { readonly active: boolean })[],
  nowMs: number,
  sessionTimeoutMs: number,
): Absence | undefined {
  const someActive = sessions.some(({ active }) => active);
  let last: Heard | undefined;
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const session of sessions) {
    if (session.track.atMs < 0 || (someActive && !session.active)) continue;
    const untilMs = presentUntilMs(session, sessionTimeoutMs);
    if (untilMs <= lastMs) continue;
    last = session;
    lastMs = untilMs;
  }
  if (last === undefined) return undefined;
  const sinceMs = last.track.atMs;
  const silentMs = Math.max(0, nowMs - sinceMs);
  return { sinceMs, silentMs, ...(last.presence !== 'left' && last.intervalMs >= 0 && { everyMs: last.intervalMs }) };
}
