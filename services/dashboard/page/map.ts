/** The map: the land of the whole earth from a file of ours, or raster tiles, with one canvas above it. */
import * as L from 'leaflet';
import { feature, mesh } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import type { PageSettings } from '../wire.ts';
import { Dots, fitCanvas } from './dots.ts';
import { draw, sorted, stampsOf } from './draw.ts';
import { cellOf, SITE_RADIUS, type Spot, showsVms, spotOf, type View } from './layout.ts';
import { mercator } from './mercator.ts';
import { type Palette, palette } from './palette.ts';
import type { World } from './world.ts';

/** What is chosen on the map. */
export interface Chosen {
  readonly vm?: string | undefined;
  readonly site?: string | undefined;
}

export interface WorldMap {
  /** Draws this world from now on. */
  show(world: World): void;
  /** Something of it has changed. */
  touch(): void;
  choose(chosen: Chosen): void;
  /** Colours have changed. */
  repaint(): void;
  /** Where a position is drawn, in pixels from the corner of the map. */
  spotOf(lat: number, lon: number): Spot;
  /** Brings all sites into view. */
  fit(): void;
  /** What drawing one frame took, of the last ones, in milliseconds. */
  readonly frameMs: readonly number[];
}

/** A pointer hits what is so near. */
const REACH = 9;
const FRAMES_KEPT = 600;
/** Longer than that, and a screen of 60 pictures a second could not show each. */
const SLOW_MS = 16;

/** @param onChoose told what somebody pointed at */
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
    zoomSnap: 0.5,
    // Between two zooms a canvas would have to be stretched.
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
    // Where drawing is slow, what moves jumps four times a second rather than taking all of the processor.
    const calm = still.matches || tookMs > SLOW_MS;
    const goesOn = draw(g, { ...scene, showsVms: showsVms(world, seen), nowMs: begunMs, still: calm });
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

  map.on('move zoom viewreset resize', touch);
  map.on('click', ({ containerPoint }: L.LeafletMouseEvent) => {
    if (world !== undefined) onChoose(hit(world, view(), containerPoint));
  });
  new ResizeObserver(() => map.invalidateSize()).observe(container);
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
    fit() {
      const places = [...(world?.sites.values() ?? [])].map(({ lat, lon }): L.LatLngTuple => [lat, lon]);
      if (places.length > 0) map.fitBounds(L.latLngBounds(places), { padding: [60, 60], maxZoom: 12, animate: false });
    },
    frameMs,
  };
}

/** The VM or the site that is nearest to a pointer. */
function hit(world: World, view: View, { x, y }: Spot): Chosen {
  const near = (spot: Spot, reach: number) => Math.hypot(spot.x - x, spot.y - y) <= reach;
  for (const site of world.sites.values()) {
    const middle = spotOf(site, view);
    if (near(middle, SITE_RADIUS + 2)) return { site: site.site };
    if (!showsVms(world, view)) continue;
    for (const [n, vm] of sorted(world, site.site).entries()) {
      const cell = cellOf(n);
      if (near({ x: middle.x + cell.x, y: middle.y + cell.y }, 4)) return { vm };
    }
  }
  for (const dot of world.users.values()) {
    if (dot.movedMs >= 0 && near(spotOf(dot, view), REACH) && dot.vms[0]) return { vm: dot.vms[0] };
  }
  return {};
}

/** The map that is shipped. */
interface Land {
  paint(colours: Palette): void;
}

/** Land and the borders of countries, from our own server. */
async function loadLand(map: L.Map): Promise<Land> {
  const response = await fetch('/assets/world.json');
  const topology = (await response.json()) as Topology<{ land: GeometryCollection; countries: GeometryCollection }>;
  // Under everything that is drawn on it, whenever it comes.
  map.createPane('land').style.zIndex = '250';
  const options = { renderer: L.canvas({ padding: 0.3, pane: 'land' }), interactive: false } as L.GeoJSONOptions;
  const area = L.geoJSON(feature(topology, topology.objects.land), options).addTo(map);
  const between = mesh(topology, topology.objects.countries, (a, b) => a !== b);
  const borders = L.geoJSON(between, options).addTo(map);
  return {
    paint({ land: fillColor, border: color }) {
      area.setStyle({ fill: true, fillColor, fillOpacity: 1, color, weight: 0.8 });
      borders.setStyle({ fill: false, color, weight: 0.8, dashArray: '3 3' });
    },
  };
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
