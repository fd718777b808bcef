/**
 * The network model. It estimates round-trip times that no client has measured: RTT = accessMs + km × msPerKm × detour, plus
 * transitMs if the VM's site is not the one nearest to the user.
 */
export interface NetworkModel {
  /** The user's last mile, both ways. 10-20 ms is usual for mobile access (an assumption, to be set per operator). */
  readonly accessMs: number;
  /** Round trip in fibre: 2 × 5 µs a km. */
  readonly msPerKm: number;
  /** Cable length ÷ distance. 2.1 was measured for the Internet, 1.3 is reachable (Bozkurt et al., InterTubes). */
  readonly detour: number;
  /** Added if the VM's site is not the one nearest to the user: the way through the aggregation network and back. */
  readonly transitMs: number;
}

/** The default model. */
export const DEFAULT_NETWORK: NetworkModel = { accessMs: 10, msPerKm: 0.01, detour: 2.1, transitMs: 2 };

/** Round trip between a user and a VM in ms. @param atNearest the VM is at the site nearest to the user */
export function userRttMs(model: NetworkModel, distanceKm: number, atNearest: boolean): number {
  return model.accessMs + distanceKm * model.msPerKm * model.detour + (atNearest ? 0 : model.transitMs);
}

/** Round trip between two sites in ms: like a user's, without the last mile. */
export function siteRttMs(model: NetworkModel, distanceKm: number): number {
  return distanceKm * model.msPerKm * model.detour + model.transitMs;
}
