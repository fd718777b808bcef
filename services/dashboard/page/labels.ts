/** Places names on the map so that none hides a site, a VM or another name. Names without room are left out. */
import type { Spot, View } from './layout.ts';

/** A disk that no name may cover: a site with its VMs, or the arrow of a move. */
export interface Disk extends Spot {
  readonly radius: number;
}

/** A name that needs a place. */
export interface Wish {
  readonly text: string;
  /** In pixels. */
  readonly width: number;
  /** The disk of the named object. The name goes beside it. */
  readonly of: Disk;
  /** How many lines away from the disk the name may be. */
  readonly lines: number;
  /** True: the name is drawn even if it covers something. */
  readonly needed: boolean;
}

/** A name with its place. */
export interface Placed {
  readonly text: string;
  /** Its left end, and its baseline. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

/** How far the font of names reaches above and below the baseline, in pixels. */
export const ASCENT = 11;
export const DESCENT = 4;
const GAP = 3;

/** The objects that restrict the places of names. */
export interface Surroundings {
  /** The size of the map. A name must not cross its edge. */
  readonly view: Pick<View, 'width' | 'height'>;
  readonly disks: readonly Disk[];
  /** The names that already have a place. */
  readonly taken: readonly Placed[];
}

/** Places as many names as have room. Names at the front of the list choose first. */
export function placeLabels(wishes: readonly Wish[], { view, disks, taken }: Surroundings): Placed[] {
  const placed = [...taken];
  const own: Placed[] = [];
  for (const wish of wishes) {
    const spots = spotsFor(wish).filter((spot) => isInside(spot, view));
    const free = spots.find((spot) => isFree(spot, wish.of, disks, placed)) ?? (wish.needed ? spots[0] : undefined);
    if (free === undefined) continue;
    placed.push(free);
    own.push(free);
  }
  return own;
}

/** The possible places: below, above, right and left of the disk; then the same farther away. */
function spotsFor({ text, width, lines, of: { x, y, radius } }: Wish): Placed[] {
  const spots: Placed[] = [];
  const line = ASCENT + DESCENT + GAP;
  for (let away = 0; away < lines; away++) {
    const below = y + radius + GAP + ASCENT + away * line;
    const above = y - radius - GAP - DESCENT - away * line;
    const middle = y + (ASCENT - DESCENT) / 2;
    const [left, right] = [x - radius - GAP - width, x + radius + GAP];
    spots.push({ text, width, x: x - width / 2, y: below }, { text, width, x: x - width / 2, y: above });
    if (away === 0) spots.push({ text, width, x: right, y: middle }, { text, width, x: left, y: middle });
    spots.push({ text, width, x: right, y: above }, { text, width, x: left, y: above });
    spots.push({ text, width, x: right, y: below }, { text, width, x: left, y: below });
  }
  return spots;
}

function isInside({ x, y, width }: Placed, view: Surroundings['view']): boolean {
  return x >= 0 && x + width <= view.width && y >= ASCENT && y + DESCENT <= view.height;
}

function isFree(spot: Placed, of: Disk, disks: readonly Disk[], placed: readonly Placed[]): boolean {
  return !placed.some((other) => meet(spot, other)) && !disks.some((disk) => disk !== of && covers(spot, disk));
}

function meet(a: Placed, b: Placed): boolean {
  return a.x < b.x + b.width + GAP && b.x < a.x + a.width + GAP && Math.abs(a.y - b.y) < ASCENT + DESCENT;
}

function covers({ x, y, width }: Placed, disk: Disk): boolean {
  const nearestX = Math.max(x, Math.min(disk.x, x + width));
  const nearestY = Math.max(y - ASCENT, Math.min(disk.y, y + DESCENT));
  return Math.hypot(nearestX - disk.x, nearestY - disk.y) < disk.radius;
}

/** Cuts a long name. The tooltip of the site shows the whole name. */
export function shortened(name: string, most = 24): string {
  return name.length <= most ? name : `${name.slice(0, most - 1)}…`;
}
