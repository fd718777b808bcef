/** Draws a world: VMs and users as dots; above them, on another canvas, the chosen VM or site, moves and sites. */
import { type Stamp, stampOf } from './dots.ts';
import { drawMoves, nameMoves } from './draw-moves.ts';
import { drawSites, nameSites } from './draw-sites.ts';
import { cellOf, isSeen, layoutOf, type Spot, spotOf } from './layout.ts';
import type { Palette } from './palette.ts';
import type { Scene, Stamps } from './scene.ts';
import { line, ring } from './strokes.ts';
import type { Place, UserDot, World } from './world.ts';

/** How long a dot takes to glide to the new position of its user. */
const GLIDE_MS = 300;
const MANY_USERS = 3_000;

/** Draws a frame. @returns true if something moves, so that another frame must follow */
export function draw(g: CanvasRenderingContext2D, scene: Scene): boolean {
  const { world, view } = scene;
  g.clearRect(0, 0, view.width, view.height);
  scene.dots.clear();
  drawVms(g, scene);
  const gliding = drawUsers(scene);
  scene.dots.flush();
  const chosen = scene.vm === undefined ? [] : world.usersOf(scene.vm);
  const home = scene.vm === undefined ? undefined : world.sites.get(world.homes.get(scene.vm) ?? '');
  if (home) drawTies(g, scene, home, chosen);
  const moves = world.movesSeen(scene.nowMs);
  drawMoves(g, scene, moves);
  drawSites(g, scene);
  const { disks, labels } = nameSites(g, scene);
  nameMoves(g, scene, moves, disks, labels);
  return gliding || (moves.length > 0 && !scene.still);
}

/** Draws the pictures of users and VMs in these colours. */
export function stampsOf({ user, vm, surface }: Palette): Stamps {
  return {
    user: disk(user, surface, 3),
    oneOfMany: disk(user, surface, 2),
    vm: stampOf((g) => {
      g.fillStyle = vm;
      g.fillRect(-2.5, -2.5, 5, 5);
    }),
  };
}

function disk(colour: string, rim: string, radius: number): Stamp {
  return stampOf((g) => {
    g.beginPath();
    g.arc(0, 0, radius, 0, 2 * Math.PI);
    g.fillStyle = colour;
    g.fill();
    g.strokeStyle = rim;
    g.lineWidth = 0.8;
    g.stroke();
  });
}

/** The place of a dot while it glides. */
function glided(dot: UserDot, { nowMs, still }: Scene): Spot {
  const share = still ? 1 : (nowMs - dot.movedMs) / GLIDE_MS;
  if (share >= 1) return dot;
  return { x: dot.fromX + (dot.x - dot.fromX) * share, y: dot.fromY + (dot.y - dot.fromY) * share };
}

function drawUsers(scene: Scene): boolean {
  const { world, view, nowMs, still, dots, stamps } = scene;
  const { scale, left, top } = view;
  const stamp = world.users.size > MANY_USERS ? stamps.oneOfMany : stamps.user;
  let gliding = false;
  for (const dot of world.users.values()) {
    if (dot.movedMs < 0) continue;
    const share = still ? 1 : (nowMs - dot.movedMs) / GLIDE_MS;
    if (share >= 1) dots.stamp(stamp, dot.x * scale - left, dot.y * scale - top);
    else {
      gliding = true;
      const x = dot.fromX + (dot.x - dot.fromX) * share;
      const y = dot.fromY + (dot.y - dot.fromY) * share;
      dots.stamp(stamp, x * scale - left, y * scale - top);
    }
  }
  return gliding;
}

/** Draws lines from the home of the chosen VM to its users. */
function drawTies(g: CanvasRenderingContext2D, scene: Scene, home: Place, users: readonly UserDot[]): void {
  const from = spotOf(home, scene.view);
  g.strokeStyle = scene.palette.chosen;
  g.lineWidth = 1.5;
  for (const user of users) {
    const to = spotOf(glided(user, scene), scene.view);
    g.setLineDash([4, 4]);
    line(g, from, to);
    g.setLineDash([]);
    g.beginPath();
    g.arc(to.x, to.y, 7, 0, 2 * Math.PI);
    g.stroke();
  }
}

function drawVms(g: CanvasRenderingContext2D, scene: Scene): void {
  const { world, view, palette, dots, stamps } = scene;
  const layout = layoutOf(world, view);
  for (const site of world.sites.values()) {
    const middle = spotOf(site, view);
    if (!layout.showsVms(site.site) || !isSeen(middle, view, layout.reach(site))) continue;
    const vms = sorted(world, site.site);
    for (const [n, vm] of vms.entries()) {
      const cell = cellOf(n);
      const [x, y] = [middle.x + cell.x, middle.y + cell.y];
      dots.stamp(stamps.vm, x, y);
      if (vm === scene.vm) ring(g, { x, y }, 7, palette.chosen, 2);
    }
  }
}

const inOrder = new WeakMap<World, { settled: number; vms: Map<string, string[]> }>();

/** The VMs of a site in order, sorted again only when homes have changed. */
export function sorted(world: World, site: string): readonly string[] {
  let known = inOrder.get(world);
  if (known?.settled !== world.settled) {
    known = { settled: world.settled, vms: new Map() };
    inOrder.set(world, known);
  }
  const vms = known.vms.get(site) ?? [...world.vmsAt(site)].sort();
  known.vms.set(site, vms);
  return vms;
}
