import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import type { VmSpec } from '#shared/events/index.ts';

/** Everything a run needs, made up or put together beforehand: sites, VMs with their users, and where the users go. */
export interface Scenario {
  readonly name: string;
  /** The subject of the scenario, and its source. */
  readonly description: string;
  /** The first and the last instant, in milliseconds since the Unix epoch; all fixes lie between them. */
  readonly startMs: number;
  readonly endMs: number;
  readonly sites: readonly SiteSpec[];
  readonly vms: readonly ScenarioVm[];
  /** The users' positions, ascending by time. Can be asked for again. */
  fixes(): Iterable<Fix>;
  /** How many of the fixes are nowhere near their user, as a GPS receiver's now and then are. */
  readonly wildPoints: number;
  /** How many of the fixes repeat the one of the same user before them, as a transport that delivers twice does. */
  readonly duplicatePoints: number;
}

/** A VM as it is at the start. */
export interface ScenarioVm {
  readonly vm: string;
  /** The site where it runs. */
  readonly home: string;
  readonly spec: VmSpec;
  readonly sessions: readonly { readonly user: string; readonly weight: number }[];
}
