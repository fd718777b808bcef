/** The layout of the map: the visible part, the size of sites, and the places of VMs around them. */
import type { Place, World } from './world.ts';

/** The visible part of the map: a place on the unit square is at `x * scale - left` pixels. */
export interface View {
  readonly scale: number;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A point on the canvas, in pixels. */
export interface Spot {
  readonly x: number;
  readonly y: number;
}

/** The radius of sites that are far apart, and the smallest radius of crowded sites, in pixels. */
const SITE_RADIUS = 11;
const LEAST_RADIUS = 4;
/** A smaller site has no room for its number of VMs. */
export const READABLE_RADIUS = 9;
/** The disks of this share of the sites may overlap. */
const CROWDED_SHARE = 0.2;
/** The size of a VM's square with its gap, in pixels. */
const CELL = 6;
/** With more sites, single VMs are not drawn: they would be too small. */
const MOST_RINGS = 300;
const FIRST_RING = SITE_RADIUS + 8;

const cells: Spot[] = [];
let ring = 0;

/** The place of the n-th VM of a site, relative to the site. VMs are on rings around their site. */
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

/** The radius of the rings of so many VMs. */
function ringRadius(vms: number): number {
  if (vms === 0) return SITE_RADIUS;
  const { x, y } = cellOf(vms - 1);
  return Math.hypot(x, y) + CELL;
}

/** The point on the canvas of a place on the unit square. */
export function spotOf({ x, y }: Spot, { scale, left, top }: View): Spot {
  return { x: x * scale - left, y: y * scale - top };
}

/** True if a point is on the map, or at most `margin` pixels outside of it. */
export function isSeen({ x, y }: Spot, { width, height }: View, margin = 0): boolean {
  return x > -margin && y > -margin && x < width + margin && y < height + margin;
}

/** The sizes of sites at one zoom. */
export interface Layout {
  /** The radius of each site's disk, in pixels. */
  readonly radius: number;
  /** The radius of a site including its VMs, in pixels. */
  reach(place: Place): number;
  /** True if there is room to draw the VMs of this site. */
  showsVms(site: string): boolean;
}

const known = new WeakMap<World, { settled: number; gaps: Float64Array; scale: number; layout: Layout }>();

/** The layout of a world. It is computed again only if sites, homes or the zoom have changed. */
export function layoutOf(world: World, { scale }: View): Layout {
  const before = known.get(world);
  const same = before?.settled === world.settled;
  if (same && before.scale === scale) return before.layout;
  const gaps = same ? before.gaps : gapsOf([...world.sites.values()]);
  const layout = layoutAt(world, gaps, scale);
  known.set(world, { settled: world.settled, gaps, scale, layout });
  return layout;
}

function layoutAt(world: World, gaps: Float64Array, scale: number): Layout {
  const places = [...world.sites.values()];
  const crowded = (gaps[Math.floor(gaps.length * CROWDED_SHARE)] ?? 1) * scale;
  const radius = Math.max(LEAST_RADIUS, Math.min(SITE_RADIUS, crowded / 2 - 1));
  const roomy = new Set<string>();
  if (radius >= READABLE_RADIUS && places.length <= MOST_RINGS) {
    const isApart = (a: Place, b: Place) =>
      Math.hypot(a.x - b.x, a.y - b.y) * scale > ringRadius(a.vms) + ringRadius(b.vms);
    for (const a of places) if (places.every((b) => a === b || isApart(a, b))) roomy.add(a.site);
  }
  return {
    radius,
    reach: ({ site, vms }) => (roomy.has(site) ? ringRadius(vms) : radius + 1),
    showsVms: (site) => roomy.has(site),
  };
}

/** The distance of each site to its nearest neighbour on the unit square, in ascending order. */
function gapsOf(places: readonly Place[]): Float64Array {
  const gaps = Float64Array.from(places, (a) => {
    let least = 1;
    for (const b of places) if (a !== b) least = Math.min(least, Math.hypot(a.x - b.x, a.y - b.y));
    return least;
  });
  return gaps.sort();
}

/** The distance of a site to its nearest neighbour on the unit square; 1 if there is no other site. */
export function gapAround(world: World, place: Place): number {
  let least = 1;
  for (const other of world.sites.values()) {
    if (other.site !== place.site) least = Math.min(least, Math.hypot(place.x - other.x, place.y - other.y));
  }
  return least;
}
