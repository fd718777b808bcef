/** The object below the pointer on the map, and its description. */
import { bytes, counted } from '#shared/format.ts';
import { sorted } from './draw.ts';
import { pointOfMove } from './draw-moves.ts';
import { cellOf, layoutOf, type Spot, spotOf, type View } from './layout.ts';
import type { World } from './world.ts';

/** The VM or the site that is chosen on the map. */
export interface Chosen {
  readonly vm?: string | undefined;
  readonly site?: string | undefined;
}

/** The object below the pointer: a click chooses it, and the tooltip shows `words`. */
export interface Target extends Chosen {
  readonly words: string;
}

/** The pointer hits objects within this distance, in pixels. */
const REACH = 9;

/** The VM, the site, the move or the user that is nearest to a pointer. */
export function targetAt(world: World, view: View, { x, y }: Spot, nowMs: number): Target | undefined {
  const near = (spot: Spot, reach: number) => Math.hypot(spot.x - x, spot.y - y) <= reach;
  const layout = layoutOf(world, view);
  for (const { site, ...place } of world.sites.values()) {
    const middle = spotOf(place, view);
    if (near(middle, Math.max(REACH, layout.radius + 2))) {
      const load = `${place.vms} of ${counted(place.slots, 'slot')} taken${place.draining ? '; draining' : ''}`;
      return { site, words: `${site}: ${load}` };
    }
    if (!layout.showsVms(site)) continue;
    for (const [n, vm] of sorted(world, site).entries()) {
      const cell = cellOf(n);
      if (near({ x: middle.x + cell.x, y: middle.y + cell.y }, 4)) return { vm, words: `${vm} at ${site}` };
    }
  }
  for (const move of world.movesSeen(nowMs)) {
    const at = pointOfMove(world, view, move);
    if (!at || !near(at, REACH)) continue;
    return { vm: move.vm, words: `${move.vm}: ${move.from} → ${move.to}, ${bytes(move.sentBytes)} sent` };
  }
  for (const dot of world.users.values()) {
    const [vm] = dot.vms;
    if (dot.movedMs >= 0 && vm !== undefined && near(spotOf(dot, view), REACH)) {
      return { vm, words: `${dot.name}, user of ${vm}` };
    }
  }
  return undefined;
}
