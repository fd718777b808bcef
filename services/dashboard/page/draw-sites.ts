/** Draws sites, and their names if there is room. */

import { type Disk, type Placed, placeLabels, shortened } from './labels.ts';
import { isSeen, type Layout, layoutOf, READABLE_RADIUS, type Spot, spotOf } from './layout.ts';
import type { Scene } from './scene.ts';
import { line, ring, widthOf, write } from './strokes.ts';
import type { Place, World } from './world.ts';

/** A site farther than this outside of the map is not drawn, in pixels. */
const MARGIN = 80;
/** The distance of the ring of the chosen site from its disk, in pixels. */
const CHOSEN_GAP = 5;

/** The disks that names must not cover, and the names of sites. */
export interface Named {
  readonly disks: readonly Disk[];
  readonly labels: readonly Placed[];
}

/** Draws each site as a disk with its load as an arc. A draining site is hatched, so that nobody has to distinguish colours. */
export function drawSites(g: CanvasRenderingContext2D, scene: Scene): void {
  const layout = layoutOf(scene.world, scene.view);
  for (const site of scene.world.sites.values()) drawSite(g, scene, site, layout);
}

/** Draws the names of sites. @returns these names, and the disks that the names of moves must not cover */
export function nameSites(g: CanvasRenderingContext2D, scene: Scene): Named {
  const named = namesOf(g, scene);
  for (const label of named.labels) write(g, label, scene.palette.ink, scene.palette.surface);
  return named;
}

const kept = new WeakMap<World, { of: string; named: Named }>();

/** Lays the names out again only if something has changed: during a move the map is drawn sixty times a second. */
function namesOf(g: CanvasRenderingContext2D, { world, view, site: chosen }: Scene): Named {
  const { scale, left, top, width, height } = view;
  const of = [scale, left, top, width, height, world.settled, chosen].join(' ');
  const before = kept.get(world);
  if (before?.of === of) return before.named;
  const layout = layoutOf(world, view);
  const seen = [...world.sites.values()].flatMap((place) => {
    const spot = spotOf(place, view);
    const radius = Math.max(layout.reach(place), place.site === chosen ? layout.radius + CHOSEN_GAP : 0);
    return isSeen(spot, view, MARGIN) ? [{ place, disk: { ...spot, radius } }] : [];
  });
  const disks = seen.map(({ disk }) => disk);
  const wishes = seen
    .sort((a, b) => rank(b.place, chosen) - rank(a.place, chosen) || (a.place.site < b.place.site ? -1 : 1))
    .map(({ place, disk }) => {
      const text = place.draining ? `${shortened(place.site)}, draining` : shortened(place.site);
      return { text, width: widthOf(g, text), of: disk, lines: 1, needed: place.site === chosen };
    });
  const named = { disks, labels: placeLabels(wishes, { view, disks, taken: [] }) };
  kept.set(world, { of, named });
  return named;
}

/** The priority of a name: first the chosen site, then draining sites, then sites by their number of VMs. */
function rank({ site, draining, vms }: Place, chosen: string | undefined): number {
  if (site === chosen) return Number.POSITIVE_INFINITY;
  return vms + (draining ? 1e9 : 0);
}

function drawSite(
  g: CanvasRenderingContext2D,
  { view, palette, site: chosen }: Scene,
  site: Place,
  layout: Layout,
): void {
  const { radius } = layout;
  const { x, y } = spotOf(site, view);
  if (!isSeen({ x, y }, view, MARGIN)) return;
  const load = site.slots === 0 ? 0 : Math.min(1, site.vms / site.slots);
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.fillStyle = palette.surface;
  g.fill();
  g.lineWidth = radius < READABLE_RADIUS ? 2 : 3;
  g.strokeStyle = palette.border;
  g.stroke();
  if (site.draining) hatch(g, { x, y }, radius, palette.drain);
  g.beginPath();
  g.arc(x, y, radius, -Math.PI / 2, -Math.PI / 2 + load * 2 * Math.PI);
  g.strokeStyle = site.draining ? palette.drain : palette.site;
  g.stroke();
  if (!site.draining && radius >= READABLE_RADIUS) {
    g.fillStyle = palette.ink;
    g.font = '600 11px system-ui, sans-serif';
    g.textAlign = 'center';
    g.fillText(`${site.vms}`, x, y + 4);
  }
  if (site.site === chosen) ring(g, { x, y }, radius + CHOSEN_GAP, palette.chosen, 2);
}

function hatch(g: CanvasRenderingContext2D, { x, y }: Spot, radius: number, colour: string): void {
  g.save();
  g.beginPath();
  g.arc(x, y, radius - 1, 0, 2 * Math.PI);
  g.clip();
  g.strokeStyle = colour;
  g.lineWidth = 1.5;
  for (let d = -2 * radius; d <= 2 * radius; d += 5) {
    line(g, { x: x + d - radius, y: y + radius }, { x: x + d + radius, y: y - radius });
  }
  g.restore();
}
