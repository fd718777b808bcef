/** What a test bed looks like: its sites, how they are connected, and where the clients are. */
import Type, { type Static } from 'typebox';
import type { Fault } from '#shared/config/faults.ts';
import { type Settings, settings } from '#shared/config/settings.ts';
import { SiteReported } from '#shared/events/types.ts';

const closed = { additionalProperties: false } as const;
const { site, lat, lon, slots, uplinks } = SiteReported.properties;
/** One way; the round trip over a path pays it at both of its ends, there and back. */
const delayMs = Type.Number({ minimum: 0, maximum: 10_000, default: 0 });

const Uplink = Type.Object(
  {
    provider: uplinks.items.properties.provider,
    /** Bytes a second, in each direction. */
    rateBps: Type.Number({ exclusiveMinimum: 0 }),
    delayMs,
    /** Packets that are lost, in each direction. */
    lossPercent: Type.Number({ minimum: 0, maximum: 100, default: 0 }),
  },
  closed,
);

/** The whole test bed. */
export const TopologySchema = Type.Object(
  {
    sites: Type.Array(
      Type.Object({ site, lat, lon, slots, uplinks: Type.Array(Uplink, { minItems: 1, maxItems: 8 }) }, closed),
      { minItems: 2, maxItems: 200 },
    ),
    /** Hosts that use the VMs. They reach the sites by an access network of their own. */
    clients: Type.Array(Type.Object({ client: site, delayMs }, closed), { minItems: 1, maxItems: 200 }),
  },
  closed,
);

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
/** A test bed's description, checked. */
export type Topology = DeepReadonly<Static<typeof TopologySchema>>;

/** @throws TagalongError CONFIG_UNREADABLE, TOPOLOGY_INVALID */
export const topologies: Settings<Topology> = settings(TopologySchema, 'TOPOLOGY_INVALID', faults);

/** Rather than to measure without it what was to be measured with it. */
const NOT_YET = 'packets cannot be delayed or lost here yet; give 0';

function faults({ sites, clients }: Topology): Fault[] {
  const found: Fault[] = [];
  const names = new Set(['access', ...sites.flatMap(({ uplinks }) => uplinks.map(({ provider }) => provider))]);
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
  for (const [i, { uplinks: own }] of sites.entries()) {
    for (const [j, { delayMs: delay, lossPercent }] of own.entries()) {
      const path = ['sites', `${i}`, 'uplinks', `${j}`];
      if (delay > 0) found.push({ path: [...path, 'delayMs'], message: NOT_YET });
      if (lossPercent > 0) found.push({ path: [...path, 'lossPercent'], message: NOT_YET });
    }
  }
  for (const [i, { delayMs: delay }] of clients.entries()) {
    if (delay > 0) found.push({ path: ['clients', `${i}`, 'delayMs'], message: NOT_YET });
  }
  for (const [i, { client }] of clients.entries()) claim(['clients', `${i}`, 'client'], client);
  return found;
}
