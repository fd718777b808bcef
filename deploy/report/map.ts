/** The map of a run: where users were, how VMs moved, and where they stayed. */
import * as Plot from '@observablehq/plot';
import type { Density } from '#simulations/picture/density.ts';
import type { Picture } from '#simulations/picture/picture.ts';
import { digits } from '../cli/format.ts';
import { drawn, reuse } from './drawing.ts';
import { type Html, html, raw } from './html.ts';

/** Shades of density, the lightest first. */
const SHADES = 6;
/** Arrows that a map can show without hiding everything. */
const MOST_ARROWS = 120;
/** Sites that are named on the map. */
const MOST_NAMES = 14;
const TALLEST = 1.15;

/** Positions as rows of dots, a path for each shade: once in the page, shown by every map. */
export function densityDefinition(id: string, { columns, rows, counts }: Density): Html {
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  const paths = Array.from({ length: SHADES }, (_, shade) => `<path class="d${shade + 1}" d="${runsOf(shade)}"/>`);
  return html`<svg class="definitions" width="0" height="0" aria-hidden="true"><symbol id="${id}" viewBox="0 0 ${columns} ${rows}" preserveAspectRatio="none"><g transform="translate(0 .5)">${raw(paths.join(''))}</g></symbol></svg>`;

  function shadeOf(count: number): number {
    if (count === 0) return -1;
    return most === 1 ? SHADES - 1 : Math.min(SHADES - 1, Math.floor((Math.log(count) / Math.log(most)) * SHADES));
  }

  /** Cells of this shade that are side by side are one line. */
  function runsOf(shade: number): string {
    let path = '';
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const first = column;
        while (column < columns && shadeOf(counts[row * columns + column]!) === shade) column++;
        if (column > first) path += `M${first} ${row}h${column - first}`;
      }
    }
    return path;
  }
}

/** @param hours of the run, over which sites are averaged */
export function mapPlot(label: string, densityId: string, picture: Picture, hours: number): Html {
  const { density, sites, flows } = picture;
  const { west, south, east, north } = density.bounds;
  const at = new Map(sites.map((site) => [site.site, site]));
  const most = flows[0]?.moves ?? 1;
  const arrows = flows.slice(0, MOST_ARROWS).map(({ from, to, moves }) => ({
    ...{ from: at.get(from)!, to: at.get(to)!, share: moves / most },
    title: `${from} → ${to}: ${moves} moves`,
  }));
  const places = sites.map((site) => ({
    ...site,
    meanVms: site.vmHours / hours,
    title: `${site.site}: ${digits(site.vmHours / hours)} VMs on average, ${site.arrived} arrived, ${site.left} left`,
  }));
  return drawn(label, ({ width, narrow }) => {
    const height = Math.min((width * density.rows) / density.columns, width * TALLEST);
    return {
      height,
      width: Math.round((height * density.columns) / density.rows),
      margin: 0,
      marginBottom: 0,
      x: { domain: [west, east], axis: null },
      y: { domain: [south, north], axis: null },
      r: { range: [0, narrow ? 7 : 11], domain: [0, Math.max(...places.map(({ meanVms }) => meanVms), 1e-9)] },
      marks: [
        reuse(densityId),
        Plot.arrow(arrows, {
          x1: ({ from }) => from.lon,
          y1: ({ from }) => from.lat,
          x2: ({ to }) => to.lon,
          y2: ({ to }) => to.lat,
          bend: 18,
          inset: 2,
          headLength: 5,
          stroke: 'var(--moves)',
          strokeWidth: ({ share }) => 0.6 + 3.4 * share,
          strokeOpacity: ({ share }) => 0.25 + 0.6 * Math.sqrt(share),
          title: 'title',
        }),
        Plot.dot(places, { x: 'lon', y: 'lat', r: 1.6, fill: 'var(--site)', title: 'title' }),
        Plot.dot(places, {
          x: 'lon',
          y: 'lat',
          r: 'meanVms',
          fill: 'var(--site)',
          fillOpacity: 0.55,
          stroke: 'var(--card)',
          strokeWidth: 0.7,
          title: 'title',
        }),
        ...(sites.length > MOST_NAMES
          ? []
          : [
              Plot.text(places, {
                x: 'lon',
                y: 'lat',
                text: 'site',
                dy: -13,
                fill: 'currentColor',
                stroke: 'var(--card)',
                strokeWidth: 4,
              }),
            ]),
      ],
    };
  });
}
