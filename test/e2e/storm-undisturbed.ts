/** Runs the same installation without disturbances, in memory and virtual time. */

import { virtualClock } from '#shared/clock/virtual.ts';
import { parseConfig } from '#shared/config/load.ts';
import { createWorld } from '#simulations/world.ts';

const START_MS = 1_800_000_000_000;
/** Long enough for all moves, which take seconds. */
const RUN_MS = 600_000;

/**
 * @param settings a configuration with the present sites
 * @param places the last position of each user
 * @returns the final site of each VM
 */
export function undisturbed(
  settings: object,
  places: ReadonlyMap<string, { readonly lat: number; readonly lon: number }>,
): Map<string, string> {
  const config = parseConfig(JSON.stringify(settings), 'undisturbed');
  const clock = virtualClock(START_MS);
  const world = createWorld({ config, clock });
  const atMs = () => Math.round(clock.now());
  for (const { site, lat, lon, slots, uplinks } of config.sites) {
    world.declareSite({ site, lat, lon, slots, uplinks: uplinks.map((uplink) => ({ ...uplink })) });
  }
  for (const { vm, home, spec, sessions } of config.vms) {
    world.tell({ type: 'vm.declared.v1', data: { vm, atMs: atMs(), home, spec } });
    for (const { user, weight } of sessions) {
      world.tell({ type: 'session.attached.v1', data: { vm, user, atMs: atMs(), weight } });
      const place = places.get(user);
      if (place) world.locate({ vm, user, atMs: atMs() + 1, ...place });
    }
  }
  clock.advanceTo(START_MS + RUN_MS);
  return new Map([...world.placement.vms.values()].map(({ id, home }) => [id, home.id]));
}
