/** The sites of a simulated hypervisor, and the connections between them. */
import { distanceKm } from '../../geo/distance.ts';
import { type NetworkModel, siteRttMs } from '../../model/network.ts';
import { pathsBetween, type Uplink } from '../../model/paths.ts';
import type { FluidNetwork, ResolvedPaths } from './fluid.ts';

/** A site: its name, its position, and its uplinks. */
export interface SimulatedSite {
  readonly site: string;
  readonly lat: number;
  readonly lon: number;
  readonly uplinks: readonly Uplink[];
}

/** The paths and the round-trip time from one site to another. */
export interface Connection {
  readonly paths: ResolvedPaths;
  readonly rttMs: number;
}

/** Sets the links of the network as sites are declared and removed. */
export class SimulatedSites {
  readonly #network: FluidNetwork;
  readonly #model: NetworkModel;
  readonly #sites = new Map<string, SimulatedSite>();
  /** By source and destination; computed at first use, cleared when a site is declared or removed. */
  readonly #connections = new Map<string, Map<string, Connection>>();
  readonly #ever = new Set<string>();

  constructor(network: FluidNetwork, model: NetworkModel) {
    this.#network = network;
    this.#model = model;
  }

  /** All sites that were ever declared: removed sites may still have VMs. */
  get ever(): Iterable<string> {
    return this.#ever;
  }

  has(site: string): boolean {
    return this.#sites.has(site);
  }

  declare(declared: SimulatedSite): void {
    const { site, uplinks } = declared;
    for (const { provider } of this.#sites.get(site)?.uplinks ?? []) {
      if (uplinks.some((uplink) => uplink.provider === provider)) continue;
      this.#setUplink(site, provider, 0);
    }
    for (const { provider, rateBps } of uplinks) this.#setUplink(site, provider, rateBps);
    this.#sites.set(site, declared);
    this.#ever.add(site);
    this.#connections.clear();
  }

  remove(site: string): void {
    for (const { provider } of this.#sites.get(site)?.uplinks ?? []) this.#setUplink(site, provider, 0);
    this.#sites.delete(site);
    this.#connections.clear();
  }

  /** The connection from one site to another; undefined if one of them was not declared. */
  connection(from: string, to: string): Connection | undefined {
    const known = this.#connections.get(from)?.get(to);
    if (known) return known;
    const [source, destination] = [this.#sites.get(from), this.#sites.get(to)];
    if (!source || !destination) return undefined;
    const paths = this.#network.resolve(
      pathsBetween(source, destination).map(({ id, provider }) => ({
        id,
        links: [`${from}/${provider}/out`, `${to}/${provider}/in`],
      })),
    );
    const connection = { paths, rttMs: siteRttMs(this.#model, distanceKm(source, destination)) };
    this.#connections.set(from, (this.#connections.get(from) ?? new Map()).set(to, connection));
    return connection;
  }

  /** Sets what a site's uplink carries each way, in bytes a second; 0: nothing gets through. */
  #setUplink(site: string, provider: string, rateBps: number): void {
    this.#network.setLink(`${site}/${provider}/out`, rateBps);
    this.#network.setLink(`${site}/${provider}/in`, rateBps);
  }
}
