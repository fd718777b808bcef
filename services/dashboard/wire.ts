/**
 * The lines that the dashboard's server sends to its pages: first a whole picture, then the changes, each as one line of JSON.
 * Positions are whole numbers of 1/100,000 of a degree, about a metre. `atMs` is the clock of the services, which runs
 * faster than the machine's where a scenario is played.
 */
import type { Figures } from '#shared/events/index.ts';
import type { Outcome } from '#shared/migration/outcome.ts';
import type { DecisionSource } from '#shared/policy/state/vm-context.ts';

/** Whole numbers in a degree. */
export const PER_DEGREE = 100_000;

/** A site as it is drawn. */
export interface SiteView {
  readonly site: string;
  readonly lat: number;
  readonly lon: number;
  readonly slots: number;
  /** VMs that are at home there. */
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
  /** `ordered`, `queued`, a phase, or how it ended. */
  readonly phase: string;
  /** Names of the network paths, once it has begun. */
  readonly paths: readonly string[];
  readonly sentBytes: number;
  /** Bytes still to be copied; null before the first report. */
  readonly remainingBytes: number | null;
  readonly rateBps: number;
  readonly subflows: number;
  readonly bytesByPath: Readonly<Record<string, number>>;
  /** When the VM began to run at the destination; null: not yet. */
  readonly switchedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly outcome: Outcome | null;
  /** Why it failed, or who cancelled it. */
  readonly because: string;
  /** Figures of the move, when it has ended. */
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
}

/** A user's number on this connection's picture, pseudonym, and VMs. */
export type UserName = readonly [number: number, user: string, ...vms: string[]];

/** The whole of what is shown at one instant. */
export interface Picture {
  readonly kind: 'picture';
  readonly atMs: number;
  /** The earliest instant that can be replayed. */
  readonly fromMs: number;
  readonly sites: readonly SiteView[];
  /** VM and home. */
  readonly homes: readonly (readonly [vm: string, site: string])[];
  /** Under way, and ended within the last hour. */
  readonly moves: readonly MoveView[];
  /** Decisions of the last hour, the oldest first. */
  readonly decisions: readonly DecisionView[];
  /** Undefined: this viewer is not signed in, and sees no users. */
  readonly users?: readonly UserName[];
  /** Number, latitude and longitude of one user after the other. */
  readonly positions?: readonly number[];
  readonly paused: boolean;
}

/** The changes since the last line. */
export interface Changes {
  readonly kind: 'changes';
  readonly atMs: number;
  readonly fromMs: number;
  readonly sites?: readonly SiteView[];
  /** Sites that were removed. */
  readonly sitesGone?: readonly string[];
  readonly homes?: readonly (readonly [vm: string, site: string])[];
  /** VMs that are no more. */
  readonly gone?: readonly string[];
  readonly moves?: readonly MoveView[];
  readonly decisions?: readonly DecisionView[];
  readonly users?: readonly UserName[];
  readonly positions?: readonly number[];
  /** Numbers of users that are no longer shown. */
  readonly left?: readonly number[];
  readonly paused?: boolean;
}

/** One line. */
export type Line = Picture | Changes;

/** `GET /dashboard/settings`: what the page has to know before it asks for anything else. */
export interface PageSettings {
  /** True: a viewer has to sign in to act, or to see users that are not public. */
  readonly signIn: boolean;
  /** Raster tiles instead of the map that is shipped. */
  readonly tilesUrl: string | null;
  readonly tilesAttribution: string;
}
