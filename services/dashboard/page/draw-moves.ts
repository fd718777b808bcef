/** Draws moves: a curve for each path, an arrow at the progress of the copy, and the name if there is room. */
import { bytes } from '#shared/format.ts';
import type { MoveView } from '../wire.ts';
import { ASCENT, DESCENT, type Disk, type Placed, placeLabels, shortened } from './labels.ts';
import { type Spot, spotOf, type View } from './layout.ts';
import type { Palette } from './palette.ts';
import type { Scene } from './scene.ts';
import { arrow, line, widthOf, write } from './strokes.ts';
import type { World } from './world.ts';

/** The distance between the curves of a move's paths, in pixels. */
const PATH_GAP = 16;
const ARROW_RADIUS = 8;
/** With more moves, only the chosen one gets a name. */
const MOST_NAMED = 8;
/** A name that is farther from its arrow gets a line to it. */
const FAR = 26;

/** The place of a move's arrow on the screen; undefined if one of its sites is unknown. */
export function pointOfMove(world: World, view: View, move: MoveView): Spot | undefined {
  const way = wayOf(world, view, move);
  return way && pointOf(way.a, bendOf(way.a, way.b, ((way.paths + 1) / 2) * PATH_GAP), way.b, Math.max(0.04, way.done));
}

/** Draws the curves and arrows of moves. */
export function drawMoves(g: CanvasRenderingContext2D, scene: Scene, moves: readonly MoveView[]): void {
  for (const move of moves) drawMove(g, scene, move);
}

/**
 * Draws the names of moves that have room.
 * @param disks the names must not cover these
 * @param taken the names that are already drawn
 */
export function nameMoves(
  g: CanvasRenderingContext2D,
  scene: Scene,
  moves: readonly MoveView[],
  disks: readonly Disk[],
  taken: readonly Placed[],
): void {
  const { palette } = scene;
  const arrows = moves.flatMap((move) => {
    const at = pointOfMove(scene.world, scene.view, move);
    return at ? [{ move, disk: { ...at, radius: ARROW_RADIUS } }] : [];
  });
  const named = arrows
    .filter(({ move }) => moves.length <= MOST_NAMED || move.vm === scene.vm)
    // The order stays the same from frame to frame, so names keep their places.
    .sort(
      (a, b) => Number(b.move.vm === scene.vm) - Number(a.move.vm === scene.vm) || (a.move.vm < b.move.vm ? -1 : 1),
    );
  const all = [...disks, ...arrows.map(({ disk }) => disk)];
  const placed = [...taken];
  for (const { move, disk } of named) {
    const text = `${shortened(move.vm)}  ${bytes(move.sentBytes)}`;
    const wish = { text, width: widthOf(g, text), of: disk, lines: 5, needed: move.vm === scene.vm };
    const [label] = placeLabels([wish], { view: scene.view, disks: all, taken: placed });
    if (label === undefined) continue;
    placed.push(label);
    const colour = colourOf(move, palette);
    lead(g, disk, label, colour);
    write(g, label, colour, palette.surface);
  }
}

/** Draws a line from an arrow to its name, if the name is far away. */
function lead(g: CanvasRenderingContext2D, from: Spot, { x, y, width }: Placed, colour: string): void {
  const to = { x: Math.max(x, Math.min(from.x, x + width)), y: y < from.y ? y + DESCENT : y - ASCENT };
  if (Math.hypot(to.x - from.x, to.y - from.y) < FAR) return;
  g.globalAlpha = 0.5;
  g.lineWidth = 1;
  g.strokeStyle = colour;
  line(g, from, to);
  g.globalAlpha = 1;
}

function colourOf({ outcome }: MoveView, { fault, move }: Palette): string {
  return outcome === 'failed' || outcome === 'cancelled' ? fault : move;
}

function wayOf(world: World, view: View, move: MoveView) {
  const from = world.sites.get(move.from);
  const to = world.sites.get(move.to);
  if (from === undefined || to === undefined) return undefined;
  const total = move.sentBytes + (move.remainingBytes ?? 0);
  return {
    a: spotOf(from, view),
    b: spotOf(to, view),
    paths: Math.max(1, move.paths.length),
    done: total === 0 ? 0 : move.sentBytes / total,
  };
}

/** Draws one move. The copied part of each curve is thick, and its dashes move. */
function drawMove(g: CanvasRenderingContext2D, scene: Scene, move: MoveView): void {
  const way = wayOf(scene.world, scene.view, move);
  if (way === undefined) return;
  const { a, b, paths, done } = way;
  const chosen = scene.vm === move.vm;
  const colour = colourOf(move, scene.palette);
  g.strokeStyle = colour;
  for (let path = 0; path < paths; path++) {
    const bend = bendOf(a, b, (path + 1) * PATH_GAP);
    g.globalAlpha = chosen ? 0.6 : 0.35;
    g.lineWidth = chosen ? 3 : 1.5;
    curve(g, a, bend, b, 1);
    g.globalAlpha = 1;
    g.lineWidth = chosen ? 4 : 2.5;
    g.setLineDash([9, 5]);
    g.lineDashOffset = scene.still ? 0 : -((scene.nowMs / 40) % 14);
    curve(g, a, bend, b, done);
    g.setLineDash([]);
  }
  const at = pointOfMove(scene.world, scene.view, move)!;
  arrow(g, at, Math.atan2(b.y - a.y, b.x - a.x), colour, scene.palette.surface);
}

/** The control point of a curve that bends away from the straight line by so many pixels. */
function bendOf(a: Spot, b: Spot, by: number): Spot {
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  return { x: (a.x + b.x) / 2 - ((b.y - a.y) / length) * by, y: (a.y + b.y) / 2 + ((b.x - a.x) / length) * by };
}

function pointOf(a: Spot, bend: Spot, b: Spot, share: number): Spot {
  const rest = 1 - share;
  return {
    x: rest * rest * a.x + 2 * rest * share * bend.x + share * share * b.x,
    y: rest * rest * a.y + 2 * rest * share * bend.y + share * share * b.y,
  };
}

/** Draws the first part of a curve. @param share from 0 to 1 */
function curve(g: CanvasRenderingContext2D, a: Spot, bend: Spot, b: Spot, share: number): void {
  const end = pointOf(a, bend, b, share);
  g.beginPath();
  g.moveTo(a.x, a.y);
  g.quadraticCurveTo(a.x + (bend.x - a.x) * share, a.y + (bend.y - a.y) * share, end.x, end.y);
  g.stroke();
}
