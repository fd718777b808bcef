/** Where names go on the map, so that none hides a site, a VM or another name. Those that find no room are left out. */
import type { Spot, View } from './layout.ts';

/** A disk that no name may cover: a site with its VMs, the arrow of a move. */
export interface Disk extends Spot {
  readonly radius: number;
}

/** A name that looks for a place. The first one given chooses first. */
export interface Wish {
  readonly text: string;
  /** Pixels. */
  readonly width: number;
  /** What it names. It goes beside this disk. */
  readonly of: Disk;
  /** How many lines it may be away from there. */
  readonly lines: number;
  /** True: it is drawn even where it covers something. */
  readonly needed: boolean;
}

/** A name in its place. */
export interface Placed {
  readonly text: string;
  /** Its left end, and the line on which it stands. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

/** Of the font in which names are drawn. */
export const ASCENT = 11;
export const DESCENT = 4;
const GAP = 3;

/** What is there already. */
export interface Surroundings {
  /** The size of the map, beyond whose edges names would be cut. */
  readonly view: Pick<View, 'width' | 'height'>;
  readonly disks: readonly Disk[];
  /** Names that have their place already. */
  readonly taken: readonly Placed[];
}

/** Places as many names as have room, those at the front of the list first. */
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

/** Below, above, right and left; then the same farther away. */
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

/** A long name is cut; pointing at the site shows the whole. */
export function shortened(name: string, most = 24): string {
  return name.length <= most ? name : `${name.slice(0, most - 1)}…`;
}
