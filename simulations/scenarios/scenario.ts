import type { SiteSpec } from '#services/replay/site-lists.ts';
import type { Fix } from '#services/replay/traces/fix.ts';
import type { Affinity, VmSpec } from '#shared/events/index.ts';

/** The input of a run: sites, VMs with their users, and the positions of the users. */
export interface Scenario {
  readonly name: string;
  /** The subject of the scenario, and its source. */
  readonly description: string;
  /** The first and the last instant, in milliseconds since the Unix epoch; all fixes lie between them. */
  readonly startMs: number;
  readonly endMs: number;
  readonly sites: readonly SiteSpec[];
  readonly vms: readonly ScenarioVm[];
  /** The users' positions in order of time. Each call begins with the first. */
  fixes(): Iterable<Fix>;
  /** The number of fixes far from their user, as GPS receivers produce now and then. */
  readonly wildPoints: number;
  /** The number of fixes that repeat the previous fix of the same user, as a transport that delivers twice does. */
  readonly duplicatePoints: number;
}

/** A VM at the start of a run. */
export interface ScenarioVm {
  readonly vm: string;
  /** The site where it runs. */
  readonly home: string;
  readonly spec: VmSpec;
  readonly affinity?: Affinity;
  readonly sessions: readonly { readonly user: string; readonly weight: number }[];
}
