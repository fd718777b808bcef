/** The shipped map: land and the borders of countries. */
import * as L from 'leaflet';
import { feature, mesh } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import type { Palette } from './palette.ts';

/** The drawn land. */
export interface Land {
  paint(colours: Palette): void;
}

/** Loads the land from this page's server, and adds it to the map. */
export async function loadLand(map: L.Map): Promise<Land> {
  const response = await fetch('/assets/world.json');
  const topology = (await response.json()) as Topology<{ land: GeometryCollection; countries: GeometryCollection }>;
  // The land is below everything else, even if it is loaded last.
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
