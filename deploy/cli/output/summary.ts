/** The figures of a run, for the closing table and for `--json`. */
import type { Ingest } from '#services/ingest/service.ts';
import type { PlacementService } from '#services/placement/service.ts';
import type { TraceReport } from '#services/replay/traces/report.ts';
import type { Outcome } from '#shared/migration/outcome.ts';
import { distribution } from '#simulations/statistics.ts';
import type { EndedMove, OrderedMove, Tally } from './tally.ts';

/** Quantiles of a list of values: half of them are at most `p50`, 95 % at most `p95`. */
export interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** One site's VMs. `vmsAtFirst + arrived - left = vmsAtEnd` unless a VM was retired. */
export interface SiteSummary {
  readonly site: string;
  /** VMs that were first at this site. */
  readonly vmsAtFirst: number;
  readonly arrived: number;
  readonly left: number;
  readonly vmsAtEnd: number;
}

export interface Summary {
  /** The first and the last instant, in milliseconds since the Unix epoch. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly sites: readonly SiteSummary[];
  readonly locations: {
    /** Locations that ingest received. */
    readonly given: number;
    /** Locations of users who are attached to no VM. */
    readonly unattached: number;
    /** Events that the bus dropped as duplicates. */
    readonly repeats: number;
    /** Share of the counted location events that could change nothing; null if none counted. */
    readonly quietShare: number | null;
    /** Number of rejected positions, by reason. */
    readonly implausible: Readonly<Record<string, number>>;
  };
  /** `ordered` is the sum of the other counts. */
  readonly moves: Readonly<Record<Outcome | 'ordered' | 'underWay', number>>;
  /** Quantiles over completed moves; null if there was none. */
  readonly pauseMs: Spread | null;
  readonly interruptionMs: Spread | null;
  /** Quantiles over the completed moves with a report of clients, or of the hypervisor; null if there was none. */
  readonly clientGapMs: Spread | null;
  readonly hypervisorDowntimeMs: Spread | null;
  readonly durationMs: Spread | null;
  /** Bytes of all moves that ended, with any outcome. */
  readonly movedBytes: number;
  /** Completed moves that were worse than planned, by the figure that was worse. */
  readonly degraded: Readonly<Record<string, number>>;
  /** Quantiles of |measured ÷ predicted − 1| over completed moves. */
  readonly predictionError: { readonly duration: Spread | null; readonly interruption: Spread | null };
  /** For positions from a trace: the number of its rows, and of its unreadable rows. */
  readonly trace?: TraceReport;
}

export interface Sources {
  readonly fromMs: number;
  readonly toMs: number;
  readonly tally: Tally;
  readonly taken: Ingest['counts'];
  readonly judged: PlacementService['counts'];
  /** VMs at each site now. */
  readonly sites: readonly { readonly site: string; readonly vms: number }[];
  readonly trace?: TraceReport;
}

export function summarize({ fromMs, toMs, tally, taken, judged, sites, trace }: Sources): Summary {
  const ended = [...tally.ended.values()];
  const completed = ended.filter(({ outcome }) => outcome === 'completed');
  const outcomes = { completed: 0, failed: 0, cancelled: 0 };
  for (const { outcome } of ended) outcomes[outcome]++;
  const spreadOf = (value: (move: EndedMove) => number) => spread(completed.map(value));
  const spreadOfSome = (value: (move: EndedMove) => number | undefined) =>
    spread(completed.map(value).filter((one) => one !== undefined));
  return {
    fromMs,
    toMs,
    sites: sites.map(({ site, vms }) => siteSummary(site, vms, tally.firstHomes, ended)),
    locations: locationSummary(taken, judged),
    moves: { ordered: tally.ordered.size, ...outcomes, underWay: tally.ordered.size - ended.length },
    pauseMs: spreadOf(({ figures }) => figures.pauseMs),
    interruptionMs: spreadOf(({ figures }) => figures.interruptionMs),
    clientGapMs: spreadOfSome(({ figures }) => figures.clientGapMs),
    hypervisorDowntimeMs: spreadOfSome(({ figures }) => figures.hypervisorDowntimeMs),
    durationMs: spreadOf(({ figures }) => figures.durationMs),
    movedBytes: ended.reduce((sum, { figures }) => sum + figures.bytes, 0),
    degraded: countBy(completed.flatMap(({ figures }) => figures.degraded)),
    predictionError: {
      duration: predictionError(completed, 'durationMs'),
      interruption: predictionError(completed, 'interruptionMs'),
    },
    ...(trace && { trace }),
  };
}

function siteSummary(
  site: string,
  vmsAtEnd: number,
  firstHomes: ReadonlyMap<string, string>,
  ended: readonly EndedMove[],
): SiteSummary {
  // If a move failed after the switch-over, the VM is at the destination.
  const gone = ended.filter(({ from, runsAt }) => runsAt !== from);
  return {
    site,
    vmsAtFirst: [...firstHomes.values()].filter((home) => home === site).length,
    arrived: gone.filter(({ runsAt }) => runsAt === site).length,
    left: gone.filter(({ from }) => from === site).length,
    vmsAtEnd,
  };
}

function locationSummary(taken: Ingest['counts'], judged: PlacementService['counts']): Summary['locations'] {
  const { quiet = 0, looked = 0, ...others } = Object.fromEntries(judged) as Record<string, number>;
  // Does not count positions whose VM or session has gone in the meantime.
  const { 'unknown-vm': late = 0, unattached: detached = 0, ...implausible } = others;
  for (const [code, n] of Object.entries(taken.implausible)) implausible[code] = (implausible[code] ?? 0) + n;
  const handled = [...judged.values()].reduce((sum, n) => sum + n, 0);
  return {
    given: taken.accepted + taken.unattached + sum(Object.values(taken.implausible)),
    unattached: taken.unattached + detached + late,
    repeats: taken.events - handled,
    quietShare: quiet + looked === 0 ? null : quiet / (quiet + looked),
    implausible,
  };
}

function predictionError(moves: readonly EndedMove[], measure: 'durationMs' | 'interruptionMs'): Spread | null {
  const expectedOf = ({ prediction }: OrderedMove) => prediction?.[measure] ?? 0;
  const predicted = moves.filter((move) => expectedOf(move) > 0);
  return spread(predicted.map((move) => Math.abs(move.figures[measure] / expectedOf(move) - 1)));
}

/** Quantiles by nearest rank: each figure is one of the values. Null if there are no values. */
export function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const { p50, p95, max } = distribution(values);
  return { p50, p95, max };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, n) => total + n, 0);
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
