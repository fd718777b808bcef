/** Events and handlers for the bus contract. */
import type { Delivery, Handler } from '#shared/bus/bus.ts';
import { type Envelope, envelop } from '#shared/events/index.ts';

/** The `n`-th location of a VM's user: `atMs` is `n`, and the id is `vm/n`. */
export function locationOf(vm: string, n: number): Envelope<'location.reported.v1'> {
  const data = { vm, user: 'alice', atMs: n, lat: 42.35, lon: -71.06 };
  return envelop(
    { type: 'location.reported.v1', data },
    `${vm}/${n}`,
    '/tagalong/test',
  ) as Envelope<'location.reported.v1'>;
}

/** The `n`-th heartbeat of a site. */
export function siteOf(site: string, n: number): Envelope<'site.reported.v1'> {
  const data = { site, atMs: n, lat: 42.35, lon: -71.06, slots: 1, vms: [], draining: false, uplinks: [] };
  return envelop({ type: 'site.reported.v1', data }, `${site}/${n}`, '/tagalong/test') as Envelope<'site.reported.v1'>;
}

/** A handler that records all deliveries. */
export class Recorder {
  readonly deliveries: Delivery[] = [];

  readonly handler: Handler = async (batch) => {
    this.deliveries.push(...batch);
  };

  /** The `atMs` of the delivered events of a key, in order. */
  of(key: string): number[] {
    return this.deliveries.filter(({ event }) => event.partitionkey === key).map(({ event }) => event.data.atMs);
  }

  /** The keys of the delivered events, each once. */
  vms(): string[] {
    return [...new Set(this.deliveries.map(({ event }) => event.partitionkey))];
  }
}

/** A promise that resolves when the test opens the gate. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve() };
}
