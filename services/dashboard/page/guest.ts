/** A guest: a user with a random name and a VM. The page creates and removes both. */
import * as L from 'leaflet';
import { ask, Refused } from './api.ts';
import type { World } from './world.ts';

/** A position on the earth, in degrees. */
export interface Position {
  readonly lat: number;
  readonly lon: number;
}

/** One user and their VM. */
export interface Guest {
  readonly user: string;
  readonly vm: string;
}

/** A small VM, which moves in seconds over two paths of one gigabit a second. */
const SPEC = { ramBytes: 2 ** 30, dirtyRateBps: 5_000_000, workingSetBytes: 50_000_000 };

/** Declares a VM at the nearest site with room, and attaches a user to it. @throws Refused */
export async function enrol(world: World, position: Position): Promise<Guest> {
  const home = nearestWithRoom(world, position);
  if (home === undefined) throw new Refused('SITE_FULL', 'No site has room for another VM.');
  const name = [...crypto.getRandomValues(new Uint8Array(6))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
  const guest = { user: `me-${name}`, vm: `vm-me-${name}` };
  await ask('PUT', `/v1/vms/${guest.vm}`, { home, spec: SPEC });
  await ask('PUT', `/v1/vms/${guest.vm}/sessions/${guest.user}`, { weight: 1 });
  return guest;
}

/** Reports the position of the user. The server sets the time. @throws Refused */
export async function report({ user }: Guest, { lat, lon }: Position): Promise<void> {
  await ask('POST', '/v1/locations', { user, lat, lon });
}

/** Removes the VM, also while the browser closes the page. @throws Refused */
export async function leave({ vm }: Guest): Promise<void> {
  await ask('DELETE', `/v1/vms/${vm}`, undefined, true);
}

/** The great-circle distance. */
export function distanceKm(a: Position, b: Position): number {
  return L.latLng(a.lat, a.lon).distanceTo(L.latLng(b.lat, b.lon)) / 1000;
}

function nearestWithRoom(world: World, position: Position): string | undefined {
  const open = [...world.sites.values()].filter(({ vms, slots, draining }) => vms < slots && !draining);
  return open.sort((a, b) => distanceKm(a, position) - distanceKm(b, position))[0]?.site;
}
