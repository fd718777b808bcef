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
  settings: PageSettings,
  onChoose: (chosen: Chosen) => void,
): WorldMap {
  return new LeafletMap(container, settings, onChoose);
}

class LeafletMap implements WorldMap {
  readonly frameMs: number[] = [];
  readonly #map: L.Map;
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)');
  readonly #dotCanvas: HTMLCanvasElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #dots: Dots;
  readonly #tip: Tip;
  #world: World | undefined;
  #chosen: Chosen = {};
  #colours: Palette = palette();
  #stamps = stampsOf(this.#colours);
  #tookMs = 0;
  /** True from the request of a frame until it is drawn. */
  #asked = false;
  #land: Land | undefined;
  /** True while the map shows the part that `fit` chose. */
  #fits = false;
  #fitting = false;

  constructor(
    container: HTMLElement,
    { tilesUrl, tilesAttribution }: PageSettings,
    onChoose: (chosen: Chosen) => void,
  ) {
    this.#map = L.map(container, {
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
    const pane = this.#map.getPanes().overlayPane;
    const layer = (name: string) => L.DomUtil.create('canvas', name, pane) as HTMLCanvasElement;
    this.#dotCanvas = layer('things dots');
    this.#canvas = layer('things');
    this.#dots = new Dots(this.#dotCanvas);
    this.#tip = new Tip(container);
    this.#followViewer(onChoose);
    this.#followSize(container);
    if (tilesUrl !== null) L.tileLayer(tilesUrl, { attribution: escaped(tilesAttribution) }).addTo(this.#map);
    else {
      void loadLand(this.#map).then((loaded) => {
        this.#land = loaded;
        this.repaint();
      });
    }
  }

  show(world: World): void {
    this.#world = world;
    this.touch();
  }

  touch(): void {
    if (!this.#asked) requestAnimationFrame(() => this.#frame());
    this.#asked = true;
  }

  choose(chosen: Chosen): void {
    this.#chosen = chosen;
    this.touch();
  }

  repaint(): void {
    this.#colours = palette();
    this.#stamps = stampsOf(this.#colours);
    this.#land?.paint(this.#colours);
    this.touch();
  }

  spotOf(lat: number, lon: number): Spot {
    return spotOf(mercator(lat, lon), this.#view());
  }

  fit(): void {
    const places = [...(this.#world?.sites.values() ?? [])].map(({ lat, lon }): L.LatLngTuple => [lat, lon]);
    if (places.length === 0) return;
    const { x, y } = this.#map.getSize();
    const padding: L.PointTuple = [Math.min(60, 16 + x * 0.05), Math.min(60, 16 + y * 0.08)];
    this.#fitting = true;
    this.#map.fitBounds(L.latLngBounds(places), { padding, maxZoom: CLOSEST_ZOOM, animate: false });
    this.#fitting = false;
    this.#fits = true;
  }

  reveal(name: string): void {
    const world = this.#world;
    const site = world?.sites.get(name);
    if (world === undefined || site === undefined) return;
    const apartPx = gapAround(world, site) * this.#view().scale;
    const closer = apartPx >= ROOM ? 0 : Math.log2(ROOM / apartPx);
    const presentZoom = this.#map.getZoom();
    const zoom = Math.max(presentZoom, Math.min(CLOSEST_ZOOM, presentZoom + closer));
    if (zoom === presentZoom && isSeen(spotOf(site, this.#view()), this.#view(), -EDGE)) return;
    this.#map.setView([site.lat, site.lon], zoom, { animate: false });
  }

  #view(): View {
    const { min } = this.#map.getPixelBounds();
    const { x: width, y: height } = this.#map.getSize();
    // Leaflet's zoom 0 has 256 pixels for the whole of the earth.
    return { scale: 256 * 2 ** this.#map.getZoom(), left: min?.x ?? 0, top: min?.y ?? 0, width, height };
  }

  #frame(): void {
    this.#asked = false;
    const world = this.#world;
    if (world === undefined) return;
    const begunMs = performance.now();
    const view = this.#view();
    const g = this.#canvas.getContext('2d')!;
    fitCanvas(this.#dotCanvas, view);
    if (fitCanvas(this.#canvas, view)) g.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    const corner = this.#map.containerPointToLayerPoint([0, 0]);
    for (const one of [this.#dotCanvas, this.#canvas]) L.DomUtil.setPosition(one, corner);
    const { vm, site } = this.#chosen;
    const scene = { world, view, palette: this.#colours, vm, site, dots: this.#dots, stamps: this.#stamps };
    // If drawing is slow, dots jump four times a second instead of gliding, so that drawing does not use all of the processor.
    const still = this.#still.matches || this.#tookMs > SLOW_MS;
    const goesOn = draw(g, { ...scene, nowMs: begunMs, still });
    this.#tookMs = performance.now() - begunMs;
    this.frameMs.push(this.#tookMs);
    if (this.frameMs.length > FRAMES_KEPT) this.frameMs.shift();
    if (goesOn) this.touch();
  }

  #target(spot: Spot) {
    return this.#world && targetAt(this.#world, this.#view(), spot, performance.now());
  }

  #point(spot: Spot | undefined): void {
    this.#tip.show(spot, spot && this.#target(spot)?.words, this.#map.getSize().x);
  }

  /** Reacts to what the viewer does with the map. */
  #followViewer(onChoose: (chosen: Chosen) => void): void {
    const map = this.#map;
    map.on('move zoom viewreset resize', () => this.touch());
    map.on('movestart zoomstart', () => {
      if (!this.#fitting) this.#fits = false;
      this.#point(undefined);
    });
    map.on('click', ({ containerPoint }: L.LeafletMouseEvent) => {
      const { vm, site } = this.#target(containerPoint) ?? {};
      onChoose({ vm, site });
    });
    map.on('mousemove', ({ containerPoint }: L.LeafletMouseEvent) => this.#point(containerPoint));
    map.on('mouseout', () => this.#point(undefined));
    const onclick = () => this.fit();
    const all = el('button', { type: 'button', class: 'all', title: 'Show all sites', onclick }, 'all');
    L.DomEvent.disableClickPropagation(all);
    map.zoomControl.getContainer()!.append(all);
  }

  #followSize(container: HTMLElement): void {
    new ResizeObserver(() => {
      const fitted = this.#fits;
      this.#fitting = true;
      this.#map.invalidateSize();
      this.#fitting = false;
      if (fitted) this.fit();
    }).observe(container);
  }
}

/** The tooltip beside the pointer. */
class Tip {
  readonly #container: HTMLElement;
  readonly #tip: HTMLElement;

  constructor(container: HTMLElement) {
    this.#container = container;
    this.#tip = container.appendChild(el('div', { class: 'tip', hidden: true }));
  }

  /** @param words of the thing at that spot; undefined: there is none. @param width of the map, in pixels */
  show(spot: Spot | undefined, words: string | undefined, width: number): void {
    const tip = this.#tip;
    this.#container.classList.toggle('pointing', words !== undefined);
    tip.hidden = words === undefined;
    if (spot === undefined || words === undefined) return;
    setText(tip, words);
    // The tooltip is on the side of the pointer that faces the middle of the map, so it stays inside.
    const left = spot.x > width / 2 ? spot.x - tip.offsetWidth - TIP_GAP : spot.x + TIP_GAP;
    tip.style.translate = `${Math.max(4, Math.min(left, width - tip.offsetWidth - 4))}px ${spot.y + TIP_GAP}px`;
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
