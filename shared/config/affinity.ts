/** Declarations of where a VM may run that name unknown sites, or contradict themselves. */
import type { Fault } from './faults.ts';
import { unknownSite } from './nearest.ts';

/** The lists of sites in a declaration, each of which may be absent. */
interface SiteLists {
  readonly allowed?: readonly string[] | undefined;
  readonly preferred?: readonly string[] | undefined;
  readonly avoided?: readonly string[] | undefined;
}

/**
 * The faults in a VM's affinity.
 * @param affinity one that fits its schema
 * @param home the site where the VM runs at first
 * @param known the names of the sites that exist
 */
export function* affinityFaults(affinity: SiteLists, home: string, known: readonly string[]): Generator<Fault> {
  const { allowed, preferred = [], avoided = [] } = affinity;
  for (const list of ['allowed', 'preferred', 'avoided'] as const) {
    for (const [i, site] of (affinity[list] ?? []).entries()) {
      if (known.includes(site)) continue;
      yield { path: ['affinity', list, `${i}`], message: unknownSite(site, known), code: 'SITE_UNKNOWN' };
    }
  }
  if (allowed !== undefined && !allowed.includes(home)) {
    yield { path: ['affinity', 'allowed'], message: `leaves out the home, ${home}; add it, or give another home` };
  }
  const both = preferred.find((site) => avoided.includes(site));
  if (both !== undefined) {
    yield { path: ['affinity', 'avoided'], message: `names ${both}, which is preferred; give it in one list` };
  }
  const forbidden = preferred.find((site) => allowed !== undefined && !allowed.includes(site));
  if (forbidden !== undefined) {
    yield { path: ['affinity', 'preferred'], message: `names ${forbidden}, which is not allowed; allow it too` };
  }
}
