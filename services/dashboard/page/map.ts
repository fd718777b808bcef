/** The map: the shipped land of the whole earth, or raster tiles, with two canvases above it. */
import * as L from 'leaflet';
import type { PageSettings } from '../wire.ts';
import { el, setText } from './dom.ts';
import { Dots, fitCanvas } from './dots.ts';
import { draw, stampsOf } from './draw.ts';
import { type Land, loadLand } from './land.ts';
import { gapAround, isSeen, type Spot, spotOf, type View } from './layout.ts';
import { mercator } from './mercator.ts';
import { type Palette, palette } from './palette.ts';
import { type Chosen, targetAt } from './pointing.ts';
import type { World } from './world.ts';

/** The map of the page. */
export interface WorldMap {
  /** Draws this world from now on. */
  show(world: World): void;
  /** Draws the world again, because it has changed. */
  touch(): void;
  choose(chosen: Chosen): void;
  /** Draws again, because the colours have changed. */
  repaint(): void;
  /** The place of a position, in pixels from the corner of the map. */
  spotOf(lat: number, lon: number): Spot;
  /** Shows all sites, and does so again when the map's size changes, until the viewer moves the map. */
  fit(): void;
  /** Shows a site, and zooms in until it is apart from its neighbours. */
  reveal(site: string): void;
  /** The drawing times of the last frames, in milliseconds. */
  readonly frameMs: readonly number[];
}

/** The distance of a revealed site to its nearest neighbour, in pixels. */
const ROOM = 60;
const CLOSEST_ZOOM = 12;
/** A site nearer to the edge of the map does not count as visible, in pixels. */
const EDGE = 60;
/** The distance of the tooltip from the pointer, in pixels. */
const TIP_GAP = 14;
const FRAMES_KEPT = 600;
/** A frame that takes longer cannot be drawn sixty times a second. */
const SLOW_MS = 16;

/** Creates the map. @param onChoose called with the VM or site on which the viewer clicked */
export function createMap(
  container: HTMLElement,
  { tilesUrl, tilesAttribution }: PageSettings,
  onChoose: (chosen: Chosen) => void,
): WorldMap {
  const map = L.map(container, {
    center: [30, 0],
    zoom: 2,
    minZoom: 2,
    maxZoom: 18,
    zoomSnap: 0.25,
    zoomDelta: 0.5,
    // An animation would have to stretch the canvases.
    zoomAnimation: false,
    worldCopyJump: false,
    attributionControl: tilesUrl !== null,
  });
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  const layer = (name: string) => L.DomUtil.create('canvas', name, map.getPanes().overlayPane) as HTMLCanvasElement;
  const [dotCanvas, canvas] = [layer('things dots'), layer('things')];
  const dots = new Dots(dotCanvas);
  const g = canvas.getContext('2d')!;
  const frameMs: number[] = [];
  let world: World | undefined;
  let chosen: Chosen = {};
  let colours: Palette = palette();
  let stamps = stampsOf(colours);
  let tookMs = 0;
  let asked = false;
  let land: Land | undefined;

  const view = (): View => {
    const { min } = map.getPixelBounds();
    const { x: width, y: height } = map.getSize();
    // Leaflet's zoom 0 has 256 pixels for the whole of the earth.
    return { scale: 256 * 2 ** map.getZoom(), left: min?.x ?? 0, top: min?.y ?? 0, width, height };
  };
  const frame = () => {
    asked = false;
    if (world === undefined) return;
    const begunMs = performance.now();
    const seen = view();
    fitCanvas(dotCanvas, seen);
    if (fitCanvas(canvas, seen)) g.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    for (const one of [dotCanvas, canvas]) L.DomUtil.setPosition(one, map.containerPointToLayerPoint([0, 0]));
    const scene = { world, view: seen, palette: colours, vm: chosen.vm, site: chosen.site, dots, stamps };
    // If drawing is slow, dots jump four times a second instead of gliding, so that drawing does not use all of the processor.
    const calm = still.matches || tookMs > SLOW_MS;
    const goesOn = draw(g, { ...scene, nowMs: begunMs, still: calm });
    tookMs = performance.now() - begunMs;
    frameMs.push(tookMs);
    if (frameMs.length > FRAMES_KEPT) frameMs.shift();
    if (goesOn) touch();
  };
  const touch = () => {
    if (!asked) requestAnimationFrame(frame);
    asked = true;
  };
  const repaint = () => {
    colours = palette();
    stamps = stampsOf(colours);
    land?.paint(colours);
    touch();
  };

  const target = (spot: Spot) => world && targetAt(world, view(), spot, performance.now());
  const tip = container.appendChild(el('div', { class: 'tip', hidden: true }));
  const point = (spot: Spot | undefined) => {
    const at = spot && target(spot);
    container.classList.toggle('pointing', at !== undefined);
    tip.hidden = at === undefined;
    if (spot === undefined || at === undefined) return;
    setText(tip, at.words);
    // The tooltip is on the side of the pointer that faces the middle of the map, so it stays inside.
    const { x: width } = map.getSize();
    const left = spot.x > width / 2 ? spot.x - tip.offsetWidth - TIP_GAP : spot.x + TIP_GAP;
    tip.style.translate = `${Math.max(4, Math.min(left, width - tip.offsetWidth - 4))}px ${spot.y + TIP_GAP}px`;
  };
  /** True while the map shows the part that `showAll` chose. */
  let fits = false;
  let fitting = false;
  const showAll = () => {
    const places = [...(world?.sites.values() ?? [])].map(({ lat, lon }): L.LatLngTuple => [lat, lon]);
    if (places.length === 0) return;
    const { x, y } = map.getSize();
    const padding: L.PointTuple = [Math.min(60, 16 + x * 0.05), Math.min(60, 16 + y * 0.08)];
    fitting = true;
    map.fitBounds(L.latLngBounds(places), { padding, maxZoom: CLOSEST_ZOOM, animate: false });
    fitting = false;
    fits = true;
  };
  const all = el('button', { type: 'button', class: 'all', title: 'Show all sites', onclick: showAll }, 'all');

  map.on('move zoom viewreset resize', touch);
  map.on('movestart zoomstart', () => {
    if (!fitting) fits = false;
    point(undefined);
  });
  map.on('click', ({ containerPoint }: L.LeafletMouseEvent) => {
    const { vm, site } = target(containerPoint) ?? {};
    onChoose({ vm, site });
  });
  map.on('mousemove', ({ containerPoint }: L.LeafletMouseEvent) => point(containerPoint));
  map.on('mouseout', () => point(undefined));
  L.DomEvent.disableClickPropagation(all);
  map.zoomControl.getContainer()!.append(all);
  new ResizeObserver(() => {
    const fitted = fits;
    fitting = true;
    map.invalidateSize();
    fitting = false;
    if (fitted) showAll();
  }).observe(container);
  if (tilesUrl !== null) L.tileLayer(tilesUrl, { attribution: escaped(tilesAttribution) }).addTo(map);
  else {
    void loadLand(map).then((loaded) => {
      land = loaded;
      repaint();
    });
  }

  return {
    show(next) {
      world = next;
      touch();
    },
    touch,
    choose(next) {
      chosen = next;
      touch();
    },
    repaint,
    spotOf: (lat, lon) => spotOf(mercator(lat, lon), view()),
    fit: showAll,
    reveal(name) {
      const site = world?.sites.get(name);
      if (world === undefined || site === undefined) return;
      const apartPx = gapAround(world, site) * view().scale;
      const closer = apartPx >= ROOM ? 0 : Math.log2(ROOM / apartPx);
      const zoom = Math.max(map.getZoom(), Math.min(CLOSEST_ZOOM, map.getZoom() + closer));
      if (zoom === map.getZoom() && isSeen(spotOf(site, view()), view(), -EDGE)) return;
      map.setView([site.lat, site.lon], zoom, { animate: false });
    },
    frameMs,
  };
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
