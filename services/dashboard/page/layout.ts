/** Where things are on the screen: the view of the map, and the VMs around their site. */
import type { World } from './world.ts';

/** The part of the map that is seen: a place on the unit square is at `x * scale - left` pixels. */
export interface View {
  readonly scale: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Pixels on the canvas. */
export interface Spot {
  readonly x: number;
  readonly y: number;
}

export const SITE_RADIUS = 11;
/** A VM's square with its gap. */
const CELL = 6;
/** With more sites, nobody looks at VMs. */
const MOST_RINGS = 300;
const FIRST_RING = SITE_RADIUS + 8;

const cells: Spot[] = [];
let ring = 0;

/** Where the n-th VM of a site is, from the middle of the site: on rings around it. */
export function cellOf(n: number): Spot {
  while (cells.length <= n) {
    const radius = FIRST_RING + ring++ * (CELL + 1);
    const places = Math.floor((2 * Math.PI * radius) / (CELL + 1));
    for (let i = 0; i < places; i++) {
      const angle = (i / places) * 2 * Math.PI - Math.PI / 2;
      cells.push({ x: Math.cos(angle) * radius, y: Math.sin(angle) * radius });
    }
  }
  return cells[n]!;
}

/** The radius of so many VMs around a site. */
export function ringRadius(vms: number): number {
  if (vms === 0) return SITE_RADIUS;
  const { x, y } = cellOf(vms - 1);
  return Math.hypot(x, y) + CELL;
}

export function spotOf({ x, y }: Spot, { scale, left, top }: View): Spot {
  return { x: x * scale - left, y: y * scale - top };
}

export function isSeen({ x, y }: Spot, { width, height }: View, margin = 0): boolean {
  return x > -margin && y > -margin && x < width + margin && y < height + margin;
}

/** True where the sites are so far apart that the VMs of each can be told from those of others. */
export function showsVms(world: World, { scale }: View): boolean {
  const places = [...world.sites.values()].map(({ x, y, vms }) => ({ x, y, radius: ringRadius(vms) }));
  if (places.length > MOST_RINGS) return false;
  return places.every((a, i) =>
    places.slice(i + 1).every((b) => Math.hypot(a.x - b.x, a.y - b.y) * scale > a.radius + b.radius),
  );
}
