/** A site's connection to one provider, as its heartbeat reports it. */
export interface Uplink {
  readonly provider: string;
  /** Bytes a second. */
  readonly rateBps: number;
}

/** A network path between two sites: from uplink to uplink, through a provider of both sites. */
export interface Path {
  /** `<from>~<to>/<provider>`, the sites in alphabetical order: both directions are the same path. */
  readonly id: string;
  readonly provider: string;
  /** The rate of the slower of the two uplinks, in bytes a second. */
  readonly rateBps: number;
}

/** The paths between two sites, in the order of the first site's uplinks. */
export function pathsBetween(
  from: { readonly site: string; readonly uplinks: readonly Uplink[] },
  to: { readonly site: string; readonly uplinks: readonly Uplink[] },
): Path[] {
  const pair = from.site < to.site ? `${from.site}~${to.site}` : `${to.site}~${from.site}`;
  return from.uplinks.flatMap(({ provider, rateBps }) => {
    const far = to.uplinks.find((uplink) => uplink.provider === provider);
    return far ? [{ id: `${pair}/${provider}`, provider, rateBps: Math.min(rateBps, far.rateBps) }] : [];
  });
}
