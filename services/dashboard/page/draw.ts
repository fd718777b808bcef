/** Draws a world: VMs and users as dots, above them on another canvas what is chosen, moves and sites. */
import { bytes } from '#shared/format.ts';
import type { MoveView } from '../wire.ts';
import { type Dots, type Stamp, stampOf } from './dots.ts';
import { cellOf, isSeen, ringRadius, SITE_RADIUS, type Spot, spotOf, type View } from './layout.ts';
import type { Palette } from './palette.ts';
import type { Place, UserDot, World } from './world.ts';

/** How long a dot glides to where its user is now. */
const GLIDE_MS = 300;
/** How far the curves of a move's paths are apart. */
const PATH_GAP = 16;
const MANY_USERS = 3_000;
const FONT = '12px system-ui, sans-serif';

/** What is to be drawn, and how. */
export interface Scene {
  readonly world: World;
  readonly view: View;
  readonly palette: Palette;
  /** The chosen VM. */
  readonly vm: string | undefined;
  /** The chosen site. */
  readonly site: string | undefined;
  readonly showsVms: boolean;
  /** The clock of the page. */
  readonly nowMs: number;
  /** True: nothing glides or flows. */
  readonly still: boolean;
  readonly dots: Dots;
  readonly stamps: Stamps;
}

/** What users and VMs look like. */
export interface Stamps {
  readonly user: Stamp;
  /** Where there are very many: smaller, so that they do not hide each other. */
  readonly oneOfMany: Stamp;
  readonly vm: Stamp;
}

/** @returns whether anything is still on its way, so that it has to be drawn again */
export function draw(g: CanvasRenderingContext2D, scene: Scene): boolean {
  const { world, view } = scene;
  g.clearRect(0, 0, view.width, view.height);
  scene.dots.clear();
  if (scene.showsVms) drawVms(g, scene);
  const gliding = drawUsers(scene);
  scene.dots.flush();
  const chosen = scene.vm === undefined ? [] : world.usersOf(scene.vm);
  const home = scene.vm === undefined ? undefined : world.sites.get(world.homes.get(scene.vm) ?? '');
  if (home) drawTies(g, scene, home, chosen);
  const moves = world.movesSeen(scene.nowMs);
  for (const move of moves) drawMove(g, scene, move, moves.length <= 8);
  for (const site of world.sites.values()) drawSite(g, scene, site);
  return gliding || (moves.length > 0 && !scene.still);
}

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

/** Where a dot is on its way. */
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

/** From the home of the chosen VM to its users. */
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

/** One curve for each path; as far as the copy has come it is thick, and what flows, flows. */
function drawMove(g: CanvasRenderingContext2D, scene: Scene, move: MoveView, labelled: boolean): void {
  const { world, view, palette } = scene;
  const from = world.sites.get(move.from);
  const to = world.sites.get(move.to);
  if (from === undefined || to === undefined) return;
  const [a, b] = [spotOf(from, view), spotOf(to, view)];
  const paths = Math.max(1, move.paths.length);
  const total = move.sentBytes + (move.remainingBytes ?? 0);
  const done = total === 0 ? 0 : move.sentBytes / total;
  const chosen = scene.vm === move.vm;
  const colour = move.outcome === 'failed' || move.outcome === 'cancelled' ? palette.fault : palette.move;
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
  const middle = pointOf(a, bendOf(a, b, ((paths + 1) / 2) * PATH_GAP), b, Math.max(0.04, done));
  arrow(g, middle, Math.atan2(b.y - a.y, b.x - a.x), colour, palette.surface);
  if (!labelled && !chosen) return;
  label(g, `${move.vm}  ${bytes(move.sentBytes)}`, { x: middle.x + 10, y: middle.y - 10 }, colour, palette);
}

function drawVms(g: CanvasRenderingContext2D, scene: Scene): void {
  const { world, view, palette, dots, stamps } = scene;
  for (const site of world.sites.values()) {
    const middle = spotOf(site, view);
    const vms = sorted(world, site.site);
    if (!isSeen(middle, view, ringRadius(vms.length))) continue;
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

/** A disk with the load as an arc around it; a draining one is hatched, so that no colour has to be told apart. */
function drawSite(g: CanvasRenderingContext2D, scene: Scene, site: Place): void {
  const { view, palette } = scene;
  const { x, y } = spotOf(site, view);
  if (!isSeen({ x, y }, view, 80)) return;
  const load = site.slots === 0 ? 0 : Math.min(1, site.vms / site.slots);
  g.beginPath();
  g.arc(x, y, SITE_RADIUS, 0, 2 * Math.PI);
  g.fillStyle = palette.surface;
  g.fill();
  g.lineWidth = 3;
  g.strokeStyle = palette.border;
  g.stroke();
  if (site.draining) hatch(g, { x, y }, palette.drain);
  g.beginPath();
  g.arc(x, y, SITE_RADIUS, -Math.PI / 2, -Math.PI / 2 + load * 2 * Math.PI);
  g.strokeStyle = site.draining ? palette.drain : palette.site;
  g.stroke();
  g.fillStyle = palette.ink;
  g.font = '600 10px system-ui, sans-serif';
  g.textAlign = 'center';
  if (!site.draining) g.fillText(`${site.vms}`, x, y + 3.5);
  if (site.site === scene.site) ring(g, { x, y }, SITE_RADIUS + 5, palette.chosen, 2);
  const below = scene.showsVms ? ringRadius(site.vms) + 14 : SITE_RADIUS + 15;
  label(g, site.draining ? `${site.site}, draining` : site.site, { x, y: y + below }, palette.ink, palette, 'center');
}

function hatch(g: CanvasRenderingContext2D, { x, y }: Spot, colour: string): void {
  g.save();
  g.beginPath();
  g.arc(x, y, SITE_RADIUS - 1, 0, 2 * Math.PI);
  g.clip();
  g.strokeStyle = colour;
  g.lineWidth = 1.5;
  for (let d = -2 * SITE_RADIUS; d <= 2 * SITE_RADIUS; d += 5) {
    line(g, { x: x + d - SITE_RADIUS, y: y + SITE_RADIUS }, { x: x + d + SITE_RADIUS, y: y - SITE_RADIUS });
  }
  g.restore();
}

function label(
  g: CanvasRenderingContext2D,
  text: string,
  { x, y }: Spot,
  colour: string,
  { surface }: Palette,
  align: CanvasTextAlign = 'left',
): void {
  g.font = FONT;
  g.textAlign = align;
  g.lineJoin = 'round';
  g.lineWidth = 3;
  g.strokeStyle = surface;
  g.strokeText(text, x, y);
  g.fillStyle = colour;
  g.fillText(text, x, y);
}

function arrow(g: CanvasRenderingContext2D, { x, y }: Spot, angle: number, colour: string, edge: string): void {
  g.save();
  g.translate(x, y);
  g.rotate(angle);
  g.beginPath();
  g.moveTo(8, 0);
  g.lineTo(-6, 6);
  g.lineTo(-3, 0);
  g.lineTo(-6, -6);
  g.closePath();
  g.fillStyle = colour;
  g.fill();
  g.lineWidth = 1;
  g.strokeStyle = edge;
  g.stroke();
  g.restore();
}

function ring(g: CanvasRenderingContext2D, { x, y }: Spot, radius: number, colour: string, width: number): void {
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.strokeStyle = colour;
  g.lineWidth = width;
  g.stroke();
}

function line(g: CanvasRenderingContext2D, a: Spot, b: Spot): void {
  g.beginPath();
  g.moveTo(a.x, a.y);
  g.lineTo(b.x, b.y);
  g.stroke();
}

/** The middle point of a curve that leaves the straight way by so many pixels. */
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

/** The first part of a curve. */
function curve(g: CanvasRenderingContext2D, a: Spot, bend: Spot, b: Spot, share: number): void {
  const end = pointOf(a, bend, b, share);
  g.beginPath();
  g.moveTo(a.x, a.y);
  g.quadraticCurveTo(a.x + (bend.x - a.x) * share, a.y + (bend.y - a.y) * share, end.x, end.y);
  g.stroke();
}
