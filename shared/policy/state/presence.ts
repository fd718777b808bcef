/**
 * Presence: whether silence means that a user is gone. Some sources report again and again while a user is there; others report
 * only when something happens. A source that says which one it is is believed; of the others each user's own interval is learned.
 */
import type { Absence, Data } from '../../events/index.ts';

/** What a report says of the time after it (`LocationReported` in `shared/events/types.ts`). */
export type Presence = NonNullable<Data<'location.reported.v1'>['presence']>;

/** All of them. */
export const PRESENCES = ['periodic', 'arrived', 'left'] as const satisfies readonly Presence[];

/** How one user's reports come. JSON; stored with the session. */
export interface Reporting {
  /** What the last report that counted said; null: nothing. */
  presence: Presence | null;
  /**
   * Interval between the user's reports, smoothed, in whole ms; -1: none is known. Whole numbers, because they are written in place
   * at every position.
   */
  intervalMs: number;
}

/** A user's reporting and last report, as a session has them. */
type Heard = Reporting & { readonly track: { readonly atMs: number } };

/** Weight of the newest interval in the exponential average. */
const NEWEST_WEIGHT = 0.2;
/**
 * A source is silent for as many of its intervals before its user counts as gone. For intervals that follow each other at random
 * (a Poisson process) one in twenty is longer than three times their mean (e⁻³).
 */
const SILENT_INTERVALS = 3;
/** At one instant the statement that says more counts, in whichever order the reports come. */
const RANK: Readonly<Record<Presence, number>> = { periodic: 1, arrived: 2, left: 3 };

/** The reporting of a user without a report. */
export function newReporting(): Reporting {
  return { presence: null, intervalMs: -1 };
}

/**
 * Takes a report that counts; call before the track is advanced to it.
 * @param sessionTimeoutMs a longer silence was an absence, and says nothing of how often the source reports
 * @returns true: what is said of the user's presence has changed
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

/** Takes what a report of the same instant as the last one says of the user's presence. @returns true: it says more, and so it counts */
export function saysMore(session: Reporting, presence: Presence | undefined): boolean {
  const known = session.presence;
  if (presence === undefined || (known !== null && RANK[presence] <= RANK[known])) return false;
  session.presence = presence;
  return true;
}

/**
 * Until when a user without a further report counts as there, in ms since the epoch: for ever after `arrived`, not at all after
 * `left`, else for some of the intervals at which the user reports. Where these are not known yet, silence means nothing until the
 * session times out.
 */
export function presentUntilMs({ presence, intervalMs, track }: Heard, sessionTimeoutMs: number): number {
  if (presence === 'arrived') return Number.POSITIVE_INFINITY;
  if (presence === 'left') return track.atMs;
  return track.atMs + (intervalMs < 0 ? sessionTimeoutMs : Math.min(SILENT_INTERVALS * intervalMs, sessionTimeoutMs));
}

/** Until when a user without a further report is served, in ms since the epoch: as above, but by the session time-out alone. */
export function activeUntilMs(presence: Presence | null, atMs: number, sessionTimeoutMs: number): number {
  if (presence === 'arrived') return Number.POSITIVE_INFINITY;
  return presence === 'left' ? atMs : atMs + sessionTimeoutMs;
}

/**
 * Since when, and why, the users of a VM are taken to be gone: of the user who counts as there for the longest time, among the active
 * ones where there are any. Undefined where none has a position.
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
