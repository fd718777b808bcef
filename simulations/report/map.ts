/** The map of a run: the density of users, the moves of VMs, and the VMs at each site. */
import * as Plot from '@observablehq/plot';
import { digits } from '#shared/format.ts';
import type { ReportData } from '../report-data/collector.ts';
import type { Density } from '../report-data/density.ts';
import { drawn, reuse } from './drawing.ts';
import { type Html, html, raw } from './html.ts';

/**
 * For each shade: the share of the cells with positions that are lighter. The shade of a cell depends on its rank and not on its count,
 * because a few cells where users stay have a thousand times as many positions as a street.
 */
const SHADES = [0, 0.35, 0.6, 0.78, 0.9, 0.97];
type Grid = Pick<Density, 'columns' | 'rows' | 'counts'>;

/** The map merges squares of at most so many cells a side. */
const COARSEST = 4;
/** More arrows would hide the map. */
const MOST_ARROWS = 120;
/** The map shows the names of sites if there are at most so many. */
const MOST_NAMES = 14;
/** Height ÷ width of the map at most. */
const TALLEST = 1.15;

/** The density as an SVG symbol with one path for each shade. The page contains it once, and every map shows it. */
export function densityDefinition(id: string, density: Density): Html {
  const { columns, rows, counts } = legible(density);
  const ranked = counts.filter((count) => count > 0).sort();
  const least = SHADES.map((share) => ranked[Math.floor(share * ranked.length)] ?? Number.POSITIVE_INFINITY);
  const paths = least.map((from, shade) => {
    const runs = runsOf({ columns, rows, counts }, from, least[shade + 1] ?? Number.POSITIVE_INFINITY);
    return `<path class="d${shade + 1}" d="${runs}"/>`;
  });
  return html`<svg class="definitions" width="0" height="0" aria-hidden="true"><symbol id="${id}" viewBox="0 0 ${columns} ${rows}" preserveAspectRatio="none"><g transform="translate(0 .5)">${raw(paths.join(''))}</g></symbol></svg>`;
}

/** Merges cells until the median cell with positions has at least two, because single positions on a fine grid are hardly visible. */
function legible(density: Density, size = 1): Grid {
  const grid = coarser(density, size);
  const taken = grid.counts.filter((count) => count > 0).sort();
  return size >= COARSEST || taken.length === 0 || taken[taken.length >> 1]! >= 2 ? grid : legible(density, size + 1);
}

/** Merges squares of `size` × `size` cells. */
function coarser({ columns, rows, counts }: Grid, size: number): Grid {
  const [across, down] = [Math.ceil(columns / size), Math.ceil(rows / size)];
  const sums = new Uint32Array(across * down);
  for (const [cell, count] of counts.entries()) {
    const [row, column] = [Math.floor(cell / columns), cell % columns];
    sums[Math.floor(row / size) * across + Math.floor(column / size)]! += count;
  }
  return { columns: across, rows: down, counts: sums };
}

/** The SVG path of the cells with at least `from` and fewer than `to` positions. Adjacent cells of a row are one line. */
function runsOf({ columns, rows, counts }: Grid, from: number, to: number): string {
  const within = (cell: number) => counts[cell]! >= from && counts[cell]! < to;
  let path = '';
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const first = column;
      while (column < columns && within(row * columns + column)) column++;
      if (column > first) path += `M${first} ${row}h${column - first}`;
    }
  }
  return path;
}

/** @param hours the duration of the run */
export function mapPlot(label: string, densityId: string, data: ReportData, hours: number): Html {
  const { density, sites, flows } = data;
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
      marks: [reuse(densityId), arrowsOf(arrows), ...siteMarks(places)],
    };
  });
}

type Site = ReportData['sites'][number];

/** An arrow for each pair of sites with moves. */
function arrowsOf(arrows: readonly { readonly from: Site; readonly to: Site; readonly share: number }[]) {
  return Plot.arrow(arrows, {
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
  });
}

/** A dot and a disk for each site, and its name if there are few sites. */
function siteMarks(places: readonly (Site & { readonly meanVms: number })[]) {
  const position = { x: 'lon', y: 'lat' } as const;
  const disk = { fill: 'var(--site)', fillOpacity: 0.55, stroke: 'var(--card)', strokeWidth: 0.7 } as const;
  const name = { dy: -13, fill: 'currentColor', stroke: 'var(--card)', strokeWidth: 4 } as const;
  return [
    Plot.dot(places, { ...position, r: 1.6, fill: 'var(--site)', title: 'title' }),
    Plot.dot(places, { ...position, r: 'meanVms', ...disk, title: 'title' }),
    ...(places.length > MOST_NAMES ? [] : [Plot.text(places, { ...position, text: 'site', ...name })]),
  ];
}
