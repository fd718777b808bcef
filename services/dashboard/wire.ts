/**
 * The lines of JSON that the dashboard's server sends to its pages: first a whole picture, then the changes. Positions are whole numbers of
 * 1/100,000 of a degree, about a metre. `atMs` is the time of the services' clock. While a scenario is played, that clock runs faster
 * than the machine's.
 */
import type { Figures } from '#shared/events/index.ts';
import type { Outcome } from '#shared/migration/outcome.ts';
import type { DecisionSource } from '#shared/policy/state/vm-context.ts';

/** Units of a position in a degree. */
export const PER_DEGREE = 100_000;

/** A site as the page shows it. */
export interface SiteView {
  readonly site: string;
  readonly lat: number;
  readonly lon: number;
  readonly slots: number;
  /** The number of VMs whose home is this site. */
  readonly vms: number;
  readonly draining: boolean;
}

/** A move from the order to its end. */
export interface MoveView {
  readonly migration: string;
  readonly vm: string;
  readonly from: string;
  readonly to: string;
  readonly orderedAtMs: number;
  /** `ordered`, `queued`, a phase, or the outcome. */
  readonly phase: string;
  /** The network paths of the move; empty before it begins. */
  readonly paths: readonly string[];
  readonly sentBytes: number;
  /** The bytes that remain to be copied; null before the first report. */
  readonly remainingBytes: number | null;
  readonly rateBps: number;
  readonly subflows: number;
  readonly bytesByPath: Readonly<Record<string, number>>;
  /** When the VM began to run at the destination; null before that. */
  readonly switchedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly outcome: Outcome | null;
  /** Why the move failed, or who cancelled it. */
  readonly because: string;
  /** The name of its orderer, or the drain that caused it. Absent: the policy, or the viewer has not signed in. */
  readonly orderedBy?: string;
  readonly cancelledBy?: string;
  /** The figures of the move; null before its end. */
  readonly figures: Pick<Figures, 'durationMs' | 'pauseMs' | 'interruptionMs' | 'degraded'> | null;
}

/** A decision as the time line shows it. */
export interface DecisionView {
  readonly decision: string;
  readonly vm: string;
  readonly atMs: number;
  readonly verdict: 'move' | 'stay' | 'cancel';
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly source: DecisionSource;
  /** The name of its orderer, or the drain that caused it. Absent: the policy, or the viewer has not signed in. */
  readonly orderedBy?: string;
}

/** A user's number in pictures and changes, pseudonym, and VMs. */
export type UserName = readonly [number: number, user: string, ...vms: string[]];

/** The whole state at one instant. */
export interface Picture {
  readonly kind: 'picture';
  readonly atMs: number;
  /** The earliest instant that can be replayed. */
  readonly fromMs: number;
  readonly sites: readonly SiteView[];
  /** Each VM with its home. */
  readonly homes: readonly (readonly [vm: string, site: string])[];
  /** The moves under way, and those that ended within the last hour. */
  readonly moves: readonly MoveView[];
  /** The decisions of the last hour, the oldest first. */
  readonly decisions: readonly DecisionView[];
  /** Undefined if this viewer may not see users. */
  readonly users?: readonly UserName[];
  /** The number, latitude and longitude of each user, one user after the other. */
  readonly positions?: readonly number[];
  readonly paused: boolean;
}

/** The changes since the last line. */
export interface Changes {
  readonly kind: 'changes';
  readonly atMs: number;
  readonly fromMs: number;
  readonly sites?: readonly SiteView[];
  /** The sites that were removed. */
  readonly sitesGone?: readonly string[];
  readonly homes?: readonly (readonly [vm: string, site: string])[];
  /** The VMs that were retired. */
  readonly gone?: readonly string[];
  readonly moves?: readonly MoveView[];
  readonly decisions?: readonly DecisionView[];
  readonly users?: readonly UserName[];
  readonly positions?: readonly number[];
  /** The numbers of users that are no longer shown. */
  readonly left?: readonly number[];
  readonly paused?: boolean;
}

/** One line. */
export type Line = Picture | Changes;

/** `GET /dashboard/settings`: the settings that the page loads first. */
export interface PageSettings {
  /** True: a viewer must sign in to act, and to see users that are not public. */
  readonly signIn: boolean;
  /** The address of raster tiles that replace the shipped map; null without tiles. */
  readonly tilesUrl: string | null;
  readonly tilesAttribution: string;
}
