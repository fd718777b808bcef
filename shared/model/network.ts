/**
 * Round-trip times where nobody measured them: access + distance × ms/km × detour, plus a fixed price for leaving the
 * site one is attached to.
 */
export interface NetworkModel {
  /** The user's last mile, both ways. 10-20 ms is usual for mobile access (an assumption, to be set per operator). */
  readonly accessMs: number;
  /** Round trip in fibre: 2 × 5 µs a km. */
  readonly msPerKm: number;
  /** Cable length ÷ distance. 2.1 was measured for the Internet, 1.3 is reachable (Bozkurt et al., InterTubes). */
  readonly detour: number;
  /** Added where the VM's site is not the one nearest to the user: out through the aggregation network and back. */
  readonly transitMs: number;
}

export const DEFAULT_NETWORK: NetworkModel = { accessMs: 10, msPerKm: 0.01, detour: 2.1, transitMs: 2 };

/** Round trip between a user and a VM. `atNearest`: the VM is at the user's nearest site. */
export function userRttMs(model: NetworkModel, distanceKm: number, atNearest: boolean): number {
  return model.accessMs + distanceKm * model.msPerKm * model.detour + (atNearest ? 0 : model.transitMs);
}

/** Round trip between two sites: no last mile. */
export function siteRttMs(model: NetworkModel, distanceKm: number): number {
  return distanceKm * model.msPerKm * model.detour + model.transitMs;
}
