/** The topology of a test bed: its sites, their connections, and its clients. */
import Type, { type Static } from 'typebox';
import type { Fault } from '#shared/config/faults.ts';
import { type Settings, settings } from '#shared/config/settings.ts';
import { SiteReported } from '#shared/events/types.ts';

const closed = { additionalProperties: false } as const;
const { site, lat, lon, slots, uplinks } = SiteReported.properties;
/** Delay in one direction. A round trip over a path passes each of its two uplinks twice. */
const delayMs = Type.Number({ minimum: 0, maximum: 10_000, default: 0 });

const Uplink = Type.Object(
  {
    provider: uplinks.items.properties.provider,
    /** Bytes a second, in each direction. */
    rateBps: Type.Number({ exclusiveMinimum: 0 }),
    delayMs,
    /** Share of lost packets, in each direction. */
    lossPercent: Type.Number({ minimum: 0, maximum: 100, default: 0 }),
  },
  closed,
);

/** The whole test bed. */
const TopologySchema = Type.Object(
  {
    sites: Type.Array(
      Type.Object({ site, lat, lon, slots, uplinks: Type.Array(Uplink, { minItems: 1, maxItems: 8 }) }, closed),
      { minItems: 2, maxItems: 200 },
    ),
    /** Hosts that use the VMs. They reach the sites by a separate access network. */
    clients: Type.Array(Type.Object({ client: site, delayMs }, closed), { minItems: 1, maxItems: 200 }),
  },
  closed,
);

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
/** The validated description of a test bed. */
export type Topology = DeepReadonly<Static<typeof TopologySchema>>;

/** @throws TagalongError CONFIG_UNREADABLE, TOPOLOGY_INVALID */
export const topologies: Settings<Topology> = settings(TopologySchema, 'TOPOLOGY_INVALID', faults);

function faults({ sites, clients }: Topology): Fault[] {
  const found: Fault[] = [];
  const names = new Set([
    'access',
    'delay',
    ...sites.flatMap(({ uplinks }) => uplinks.map(({ provider }) => provider)),
  ]);
  const claim = (path: string[], name: string) => {
    if (names.has(name))
      found.push({ path, message: `"${name}" names something else as well; give each its own name` });
    names.add(name);
    if (name.length > 12)
      found.push({ path, message: `"${name}" is too long for a device; give at most 12 characters` });
  };
  for (const [i, { site: name, uplinks: own }] of sites.entries()) {
    claim(['sites', `${i}`, 'site'], name);
    for (const [j, { provider }] of own.entries()) {
      const path = ['sites', `${i}`, 'uplinks', `${j}`, 'provider'];
      if (own.findIndex((other) => other.provider === provider) < j) found.push({ path, message: 'is given twice' });
      if (provider.length > 12) found.push({ path, message: 'is too long for a device; give at most 12 characters' });
    }
  }
  for (const [i, { client }] of clients.entries()) claim(['clients', `${i}`, 'client'], client);
  return found;
}

/** Delay and loss of a cable, in each direction. */
export interface Impairment {
  readonly delayMs: number;
  readonly lossPercent: number;
  /** The highest rate at which packets enter, in bytes a second. */
  readonly rateBps: number;
}

/** A higher rate than users cause, for their access, which has no limit. */
const ACCESS_BPS = 125e6;

/** The cables with delay or loss, by `SITE/PROVIDER` or by a client's name. */
export function impairments({ sites, clients }: Topology): Map<string, Impairment> {
  const uplinks = sites.flatMap(({ site: name, uplinks: own }) =>
    own.map(({ provider, ...cable }) => [`${name}/${provider}`, cable] as const),
  );
  const access = clients.map(
    ({ client, delayMs: delay }) => [client, { delayMs: delay, lossPercent: 0, rateBps: ACCESS_BPS }] as const,
  );
  return new Map([...uplinks, ...access].filter(([, cable]) => cable.delayMs > 0 || cable.lossPercent > 0));
}

/** Round trip of a site's longest path over a provider. */
export function longestRttMs({ sites }: Topology, from: string, provider: string): number {
  const delays = (own: boolean) =>
    sites
      .filter(({ site: name }) => (name === from) === own)
      .flatMap(({ uplinks: all }) => all.filter((uplink) => uplink.provider === provider))
      .map((uplink) => uplink.delayMs);
  return 2 * (Math.max(0, ...delays(true)) + Math.max(0, ...delays(false)));
}
