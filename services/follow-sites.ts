import { setImmediate } from 'node:timers/promises';
import type { Bus, Handler, Subscription } from '#shared/bus/bus.ts';

/**
 * Subscribes to the sites' heartbeats and resolves when the latest of every site has been handled: who judges a VM by
 * half of the sites, or a migration by none of its paths, judges wrongly, and a restart must not.
 */
export async function followSites(bus: Bus, group: string, handler: Handler): Promise<Subscription> {
  const subscription = await bus.subscribe({ group, types: ['site.reported.v1'], latest: true }, handler);
  while (bus.lag().some((lag) => lag.group === group && lag.events > 0)) await setImmediate();
  return subscription;
}
